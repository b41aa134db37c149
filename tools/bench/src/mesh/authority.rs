//! The mesh's certificate authority and who has certificates from it.

use std::sync::Arc;

use agent::certificate::Issued;
use identity::cert::Validity;
use identity::csr::KeyPem;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    SanType,
};

use crate::failure::{Doing, Failure};

/// Signs P-256 certificates with SPIFFE names, as Istio's does.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as the agent serves them to a proxy.
pub(crate) struct Identity {
    pub(crate) issued: Arc<Issued>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "cluster.local");
        let key = KeyPair::generate().doing("a key")?;
        Ok(Authority(
            CertifiedIssuer::self_signed(params, key).doing("the root certificate")?,
        ))
    }

    /// A certificate for a service account of the namespace `default`.
    pub(crate) fn issue(&self, account: &str) -> Result<Identity, Failure> {
        let doing = format!("a certificate for {account}");
        let id = format!("spiffe://cluster.local/ns/default/sa/{account}");
        let mut params = CertificateParams::default();
        // As in Istio's: without a subject. One equal to the issuer's would make it a root.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.as_str().try_into().doing(&doing)?)];
        let key = KeyPair::generate().doing(&doing)?;
        let leaf = params.signed_by(&key, &self.0).doing(&doing)?;
        let issued = Issued {
            chain: leaf.pem(),
            key: KeyPem::new(key.serialize_pem()),
            roots: self.0.pem(),
            validity: Validity::of(leaf.der()).doing(&doing)?,
            fingerprint: identity::cert::fingerprint(leaf.der()),
        };
        Ok(Identity {
            issued: Arc::new(issued),
        })
    }
}
