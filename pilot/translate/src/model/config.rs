//! Istio's objects with their hosts resolved and their age known.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use resources::istio::destination_rule::DestinationRuleSpec;
use resources::istio::peer_authentication::PeerAuthenticationSpec;
use resources::istio::virtual_service::VirtualServiceSpec;

use super::NamespacedName;

/// A piece of configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config<S> {
    pub(crate) key: NamespacedName,
    /// Seconds since 1970; 0 for those without a date.
    pub(crate) created: i64,
    /// The hosts it speaks of, in full.
    pub(crate) hosts: Vec<String>,
    pub(crate) spec: S,
}

pub(crate) type VirtualService = Config<VirtualServiceSpec>;
pub(crate) type DestinationRule = Config<DestinationRuleSpec>;
pub(crate) type PeerAuthentication = Config<PeerAuthenticationSpec>;

impl<S> Config<S> {
    pub(crate) fn new(meta: &ObjectMeta, hosts: Vec<String>, spec: S) -> Self {
        let key = NamespacedName::new(
            meta.namespace.as_deref().unwrap_or("default"),
            meta.name.as_deref().unwrap_or_default(),
        );
        Self {
            key,
            created: created(meta),
            hosts,
            spec,
        }
    }

    /// The older comes first, then the name decides.
    pub(crate) fn age(&self) -> (i64, &NamespacedName) {
        (self.created, &self.key)
    }
}

/// Creation time in seconds since 1970; 0 where it is not known.
pub(crate) fn created(meta: &ObjectMeta) -> i64 {
    meta.creation_timestamp
        .as_ref()
        .map_or(0, |t| t.0.as_second())
}

/// Whether an object of `owner`'s namespace is seen from `viewer`'s. `default` is the mesh's.
pub(crate) fn exported(
    export_to: &[String],
    default: &[String],
    owner: &str,
    viewer: &str,
) -> bool {
    let list = if export_to.is_empty() {
        default
    } else {
        export_to
    };
    list.iter().any(|to| match to.as_str() {
        "*" => true,
        "." => owner == viewer,
        "~" => false,
        named => named == viewer,
    })
}
