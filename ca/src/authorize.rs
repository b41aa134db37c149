//! For whom an authenticated caller may have a certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use identity::caller::Caller;
use identity::{SpiffeId, TrustDomain};
use prost_types::Struct;
use prost_types::value::Kind;

/// A service account within the mesh's trust domain, written `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAccount {
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The account's name.
    pub name: String,
}

impl ServiceAccount {
    fn of(id: &SpiffeId) -> Self {
        Self {
            namespace: id.namespace().to_owned(),
            name: id.service_account().to_owned(),
        }
    }
}

impl FromStr for ServiceAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!("{text:?} is not namespace/service-account, for example istio-system/ztunnel")
        };
        let (namespace, name) = text.split_once('/').ok_or_else(form)?;
        let domain = "cluster.local".parse().map_err(|_| form())?;
        // The names must be such that an identity can be made of them, whatever the trust domain.
        SpiffeId::new(domain, namespace, name).map_err(|e| e.to_string())?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the operator allows.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The only trust domain that certificates are issued for.
    pub trust_domain: TrustDomain,
    /// Who may ask for certificates of other workloads (`CA_TRUSTED_NODE_ACCOUNTS`): node agents.
    pub trusted_node_accounts: BTreeSet<ServiceAccount>,
    /// The DNS names that control-plane accounts serve under, besides their identity.
    pub dns_names: BTreeMap<ServiceAccount, Vec<String>>,
}

/// What the certificate will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The workload.
    pub id: SpiffeId,
    /// Further DNS names; none for ordinary workloads.
    pub dns_names: Vec<String>,
}

/// Why a caller gets no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another's identity was asked for, by somebody who may not.
    #[error(
        "{0} may not ask for the certificate of another: its account is not among --trustedNodeAccounts"
    )]
    NotTrusted(SpiffeId),
    /// The other identity is not one.
    #[error("metadata ImpersonatedIdentity: {0}")]
    Identity(String),
    /// The other identity is not of this mesh.
    #[error("metadata ImpersonatedIdentity: {id} is not of the trust domain {wanted}")]
    ForeignTrustDomain {
        /// What was asked for.
        id: SpiffeId,
        /// What could be.
        wanted: TrustDomain,
    },
    /// A signer was named; there is one only.
    #[error("metadata CertSigner {0:?} is unknown: this ca signs with its own root only")]
    Signer(String),
}

impl Policy {
    /// For whom to sign when `caller` asks with `metadata`.
    ///
    /// # Errors
    /// The caller may not have what it asks for, or does not say clearly what that is.
    pub fn authorize(
        &self,
        caller: &Caller,
        metadata: Option<&Struct>,
    ) -> Result<Subject, Refusal> {
        if let Some(signer) = text(metadata, "CertSigner").map_err(Refusal::Signer)? {
            return Err(Refusal::Signer(signer.chars().take(120).collect()));
        }
        let Some(asked) =
            text(metadata, ca_api::IMPERSONATED_IDENTITY).map_err(Refusal::Identity)?
        else {
            let dns_names = self
                .dns_names
                .get(&ServiceAccount::of(&caller.id))
                .cloned()
                .unwrap_or_default();
            return Ok(Subject {
                id: caller.id.clone(),
                dns_names,
            });
        };
        // Before the name is looked at, so that the answer tells a stranger nothing.
        if !self
            .trusted_node_accounts
            .contains(&ServiceAccount::of(&caller.id))
        {
            return Err(Refusal::NotTrusted(caller.id.clone()));
        }
        let id: SpiffeId = asked
            .parse()
            .map_err(|e: identity::spiffe::SpiffeError| Refusal::Identity(e.to_string()))?;
        if *id.trust_domain() != self.trust_domain {
            return Err(Refusal::ForeignTrustDomain {
                id,
                wanted: self.trust_domain.clone(),
            });
        }
        // A node agent never needs the names under which the control plane serves.
        Ok(Subject {
            id,
            dns_names: Vec::new(),
        })
    }
}

/// The text under `key`; none when it is absent or empty, as agents send it when they mean nothing.
fn text<'a>(metadata: Option<&'a Struct>, key: &str) -> Result<Option<&'a str>, String> {
    match metadata
        .and_then(|m| m.fields.get(key))
        .and_then(|value| value.kind.as_ref())
    {
        None | Some(Kind::NullValue(_)) => Ok(None),
        Some(Kind::StringValue(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err("it must be a string".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use identity::caller::Authentication;
    use prost_types::Value;

    use super::*;

    fn policy() -> Policy {
        Policy {
            trust_domain: "cluster.local".parse().unwrap(),
            trusted_node_accounts: ["istio-system/ztunnel".parse().unwrap()].into(),
            dns_names: [(
                "istio-system/istiod".parse().unwrap(),
                vec!["istiod.istio-system.svc".to_owned()],
            )]
            .into(),
        }
    }

    fn caller(namespace: &str, account: &str) -> Caller {
        let id = SpiffeId::new("cluster.local".parse().unwrap(), namespace, account).unwrap();
        Caller {
            id,
            by: Authentication::Token,
        }
    }

    fn metadata(key: &str, kind: Kind) -> Struct {
        Struct {
            fields: [(key.to_owned(), Value { kind: Some(kind) })].into(),
        }
    }

    fn impersonate(id: &str) -> Struct {
        metadata("ImpersonatedIdentity", Kind::StringValue(id.to_owned()))
    }

    #[test]
    fn a_caller_gets_its_own_identity() {
        let subject = policy()
            .authorize(&caller("default", "greeter"), None)
            .unwrap();
        assert_eq!(
            subject.id.to_string(),
            "spiffe://cluster.local/ns/default/sa/greeter"
        );
        assert!(subject.dns_names.is_empty());
    }

    #[test]
    fn agents_that_send_empty_metadata_mean_nothing_by_it() {
        for key in ["CertSigner", "ImpersonatedIdentity"] {
            let empty = metadata(key, Kind::StringValue(String::new()));
            assert!(
                policy()
                    .authorize(&caller("default", "greeter"), Some(&empty))
                    .is_ok()
            );
        }
    }

    #[test]
    fn only_a_trusted_node_account_may_ask_for_another() {
        let asked = "spiffe://cluster.local/ns/default/sa/other";
        let refused = policy().authorize(&caller("default", "greeter"), Some(&impersonate(asked)));
        assert!(matches!(refused, Err(Refusal::NotTrusted(_))));
        let same_name =
            policy().authorize(&caller("default", "ztunnel"), Some(&impersonate(asked)));
        assert!(matches!(same_name, Err(Refusal::NotTrusted(_))));
        let granted = policy()
            .authorize(
                &caller("istio-system", "ztunnel"),
                Some(&impersonate(asked)),
            )
            .unwrap();
        assert_eq!(granted.id.to_string(), asked);
    }

    #[test]
    fn the_other_identity_must_be_a_workloads_in_this_trust_domain() {
        let ask =
            |id| policy().authorize(&caller("istio-system", "ztunnel"), Some(&impersonate(id)));
        assert!(matches!(ask("default/other"), Err(Refusal::Identity(_))));
        assert!(matches!(
            ask("spiffe://elsewhere/ns/a/sa/b"),
            Err(Refusal::ForeignTrustDomain { .. })
        ));
        let number = metadata("ImpersonatedIdentity", Kind::NumberValue(1.0));
        let refused = policy().authorize(&caller("istio-system", "ztunnel"), Some(&number));
        assert!(matches!(refused, Err(Refusal::Identity(_))));
    }

    #[test]
    fn dns_names_go_to_the_account_itself_and_never_to_an_impersonator() {
        let own = policy()
            .authorize(&caller("istio-system", "istiod"), None)
            .unwrap();
        assert_eq!(own.dns_names, ["istiod.istio-system.svc"]);
        let asked = impersonate("spiffe://cluster.local/ns/istio-system/sa/istiod");
        let taken = policy()
            .authorize(&caller("istio-system", "ztunnel"), Some(&asked))
            .unwrap();
        assert!(taken.dns_names.is_empty());
    }

    #[test]
    fn a_named_signer_is_refused_rather_than_ignored() {
        let signer = metadata("CertSigner", Kind::StringValue("vault".to_owned()));
        let refused = policy().authorize(&caller("default", "greeter"), Some(&signer));
        assert_eq!(refused, Err(Refusal::Signer("vault".to_owned())));
    }
}
