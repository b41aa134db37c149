//! SPIFFE identities in the form that Istio gives to workloads: `spiffe://<trust domain>/ns/<namespace>/sa/<account>`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest SPIFFE id, in bytes (SPIFFE-ID section 2.3).
const MAX_ID: usize = 2048;
/// The longest trust domain name, in bytes (SPIFFE-ID section 2.1).
const MAX_TRUST_DOMAIN: usize = 255;
/// The longest Kubernetes namespace name: a DNS label (RFC 1123).
const MAX_NAMESPACE: usize = 63;
/// The longest Kubernetes service account name: a DNS subdomain (RFC 1123).
const MAX_SERVICE_ACCOUNT: usize = 253;

/// Why a text is not an identity. Each message says which part is wrong and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// Longer than SPIFFE allows.
    #[error("SPIFFE id of {0} bytes is longer than {MAX_ID}")]
    TooLong(usize),
    /// Not of the form that a workload has.
    #[error(
        "{0:?} is not a workload's SPIFFE id: it must read spiffe://<trust domain>/ns/<namespace>/sa/<service account>"
    )]
    Shape(String),
    /// A trust domain with characters that SPIFFE does not allow, empty, or too long.
    #[error(
        "trust domain {0:?}: use 1 to {MAX_TRUST_DOMAIN} characters of a-z, 0-9, '.', '-' and '_'"
    )]
    TrustDomain(String),
    /// Not a name that Kubernetes accepts for a namespace.
    #[error(
        "namespace {0:?}: use 1 to {MAX_NAMESPACE} characters of a-z, 0-9 and '-', with a letter or digit at each end"
    )]
    Namespace(String),
    /// Not a name that Kubernetes accepts for a service account.
    #[error(
        "service account {0:?}: use 1 to {MAX_SERVICE_ACCOUNT} characters of a-z, 0-9, '-' and '.', with a letter or digit at each end"
    )]
    ServiceAccount(String),
}

/// The name of a set of identities with a root of trust of its own, `cluster.local` unless configured
/// (Istio `MeshConfig.trustDomain`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// The name alone, without `spiffe://`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if text.is_empty() || text.len() > MAX_TRUST_DOMAIN || !text.bytes().all(allowed) {
            return Err(SpiffeError::TrustDomain(excerpt(text)));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a workload: its service account in a namespace of a trust domain. Always valid: it can only be made
/// of checked parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    namespace: Arc<str>,
    service_account: Arc<str>,
}

impl SpiffeId {
    /// The identity of `service_account` in `namespace`.
    ///
    /// # Errors
    /// A name that Kubernetes itself would refuse.
    pub fn new(
        trust_domain: TrustDomain,
        namespace: &str,
        service_account: &str,
    ) -> Result<Self, SpiffeError> {
        if namespace.len() > MAX_NAMESPACE || !is_label(namespace) {
            return Err(SpiffeError::Namespace(excerpt(namespace)));
        }
        if service_account.len() > MAX_SERVICE_ACCOUNT || !service_account.split('.').all(is_label)
        {
            return Err(SpiffeError::ServiceAccount(excerpt(service_account)));
        }
        Ok(Self {
            trust_domain,
            namespace: namespace.into(),
            service_account: service_account.into(),
        })
    }

    /// The trust domain that vouches for this identity.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The Kubernetes namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Kubernetes service account's name.
    pub fn service_account(&self) -> &str {
        &self.service_account
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        if text.len() > MAX_ID {
            return Err(SpiffeError::TooLong(text.len()));
        }
        let shape = || SpiffeError::Shape(excerpt(text));
        let rest = text.strip_prefix("spiffe://").ok_or_else(shape)?;
        let mut parts = rest.split('/');
        match (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) {
            (Some(domain), Some("ns"), Some(namespace), Some("sa"), Some(account), None) => {
                Self::new(domain.parse()?, namespace, account)
            }
            _ => Err(shape()),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "spiffe://{}/ns/{}/sa/{}",
            self.trust_domain, self.namespace, self.service_account
        )
    }
}

/// Whether `text` is a DNS label of RFC 1123, its length left to the caller.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// As much of a stranger's text as a message may repeat.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_identity_reads_back_as_it_was_written() {
        let text = "spiffe://cluster.local/ns/default/sa/k8s-combat.v2";
        let id: SpiffeId = text.parse().unwrap();
        assert_eq!(
            (
                id.trust_domain().as_str(),
                id.namespace(),
                id.service_account()
            ),
            ("cluster.local", "default", "k8s-combat.v2")
        );
        assert_eq!(id.to_string(), text);
    }

    #[test]
    fn anything_but_a_workloads_identity_is_refused() {
        for text in [
            "",
            "spiffe://",
            "http://cluster.local/ns/a/sa/b",
            "spiffe://cluster.local",
            "spiffe://cluster.local/ns/a/sa",
            "spiffe://cluster.local/ns/a/sa/b/c",
            "spiffe://cluster.local/ns/a/sa/b/",
            "spiffe://cluster.local/NS/a/sa/b",
            "spiffe:///ns/a/sa/b",
            "spiffe://Cluster.local/ns/a/sa/b",
            "spiffe://a@b/ns/a/sa/b",
            "spiffe://a:80/ns/a/sa/b",
            "spiffe://cluster.local/ns/../sa/b",
            "spiffe://cluster.local/ns/a.b/sa/b",
            "spiffe://cluster.local/ns/-a/sa/b",
            "spiffe://cluster.local/ns/a/sa/b%2f",
            "spiffe://cluster.local/ns/a/sa/b?x",
            "spiffe://cluster.local/ns/a/sa/.b",
            "spiffe://cluster.local/ns/a/sa/b\0",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn lengths_are_bounded_and_the_message_stays_short() {
        let long = "a".repeat(100_000);
        for text in [
            long.clone(),
            format!("spiffe://{long}/ns/a/sa/b"),
            format!("spiffe://td/ns/{}/sa/b", "a".repeat(64)),
        ] {
            let error = text.parse::<SpiffeId>().unwrap_err().to_string();
            assert!(error.len() < 400, "{} bytes", error.len());
        }
        assert!(SpiffeId::new("td".parse().unwrap(), "a", &"b".repeat(254)).is_err());
        assert!(SpiffeId::new("td".parse().unwrap(), "a", &"b".repeat(253)).is_ok());
    }
}
