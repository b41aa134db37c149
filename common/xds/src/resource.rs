//! What is served: named resources of known types, encoded once and shared by all who get them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The resource types that are served, in the order in which they are pushed: what others refer to
/// comes first (make before break).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum TypeUrl {
    /// `envoy.config.cluster.v3.Cluster` (CDS).
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment` (EDS).
    Endpoints,
    /// `envoy.config.listener.v3.Listener` (LDS).
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration` (RDS).
    Route,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret` (SDS).
    Secret,
}

impl TypeUrl {
    /// All types, in push order.
    pub const ALL: [TypeUrl; 5] = [
        TypeUrl::Cluster,
        TypeUrl::Endpoints,
        TypeUrl::Listener,
        TypeUrl::Route,
        TypeUrl::Secret,
    ];

    /// The type URL as it stands in `Any.type_url` and in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            TypeUrl::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            TypeUrl::Endpoints => {
                "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
            }
            TypeUrl::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            TypeUrl::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            TypeUrl::Secret => {
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
            }
        }
    }

    /// The short name that Istio's metrics and debug pages use: `cds`, `eds`, `lds`, `rds`, `sds`.
    pub const fn short(self) -> &'static str {
        match self {
            TypeUrl::Cluster => "cds",
            TypeUrl::Endpoints => "eds",
            TypeUrl::Listener => "lds",
            TypeUrl::Route => "rds",
            TypeUrl::Secret => "sds",
        }
    }

    /// The type of a URL, or `None` for one that is not served.
    pub fn parse(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == url)
    }

    /// Whether a subscription that names nothing means everything. The xDS protocol allows that
    /// legacy form for clusters and listeners alone.
    pub const fn has_implicit_wildcard(self) -> bool {
        matches!(self, TypeUrl::Cluster | TypeUrl::Listener)
    }

    /// Whether a state-of-the-world response holds all resources of the type, so that absence
    /// means removal. That is so for clusters and listeners alone.
    pub const fn is_full_state(self) -> bool {
        self.has_implicit_wildcard()
    }
}

impl fmt::Display for TypeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A content hash: equal bytes, equal version, in every replica and after every restart. Its text
/// form (16 hexadecimal digits) is the `version` of a delta resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(u64);

impl Version {
    /// The version of encoded bytes.
    pub fn of(body: &[u8]) -> Self {
        let mut head = [0; 8];
        for (to, from) in head.iter_mut().zip(Sha256::digest(body)) {
            *to = from;
        }
        Version(u64::from_be_bytes(head))
    }

    /// The version as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Reads the text form; `None` for a version that this control plane cannot have sent.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16)
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One encoded resource. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The type.
    pub type_url: TypeUrl,
    /// The name by which it is subscribed to.
    pub name: Arc<str>,
    /// The hash of `body`.
    pub version: Version,
    /// The encoded message: what stands in `Any.value`.
    pub body: Bytes,
}

impl Resource {
    /// A resource from its encoded message.
    pub fn new(type_url: TypeUrl, name: impl Into<Arc<str>>, body: Bytes) -> Self {
        Self {
            type_url,
            name: name.into(),
            version: Version::of(&body),
            body,
        }
    }

    /// Encodes a message into a resource.
    pub fn encode(
        type_url: TypeUrl,
        name: impl Into<Arc<str>>,
        message: &impl prost::Message,
    ) -> Self {
        Self::new(type_url, name, Bytes::from(message.encode_to_vec()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_bytes_have_equal_versions_and_others_do_not() {
        assert_eq!(Version::of(b"a"), Version::of(b"a"));
        assert_ne!(Version::of(b"a"), Version::of(b"b"));
    }

    #[test]
    fn a_version_survives_its_text_form() {
        let version = Version::of(b"a");
        assert_eq!(Version::parse(&version.to_string()), Some(version));
        for wrong in [
            "",
            "1",
            "+123456789abcdef",
            "xyz4567890abcdef",
            "2026-01-01T00:00",
        ] {
            assert_ne!(
                Version::parse(wrong).map(|v| v.to_string()).as_deref(),
                Some(wrong)
            );
        }
    }

    #[test]
    fn type_urls_are_those_of_the_messages() {
        use envoy_types::pb::envoy::config as c;
        use prost::Name;
        let names = [
            c::cluster::v3::Cluster::type_url(),
            c::endpoint::v3::ClusterLoadAssignment::type_url(),
            c::listener::v3::Listener::type_url(),
            c::route::v3::RouteConfiguration::type_url(),
            envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret::type_url(),
        ];
        for (ours, theirs) in TypeUrl::ALL.into_iter().zip(names) {
            assert_eq!(ours.as_str().rsplit('/').next(), theirs.rsplit('/').next());
            assert_eq!(TypeUrl::parse(ours.as_str()), Some(ours));
        }
    }
}
