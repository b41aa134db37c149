//! The mesh's certificate authority and who has certificates from it.

use std::sync::Arc;

use agent::certificate::Issued;
use identity::bundle::WorkloadCertificate;
use identity::cert::{self, Validity};
use identity::csr::KeyPem;
use identity::tls::{ClientTls, Expected};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    SanType,
};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::failure::{Doing, Failure};

/// Signs P-256 certificates with SPIFFE names, as Istio's does.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A client that has a certificate of the mesh.
pub(crate) struct MeshClient(ClientConfig);

impl MeshClient {
    /// The settings of a connection to the service that is called; sessions are resumed if that is asked for.
    pub(crate) fn config(&self, resumed: bool) -> Arc<ClientConfig> {
        let mut config = self.0.clone();
        // What tells a proxy of the mesh that a proxy of the mesh calls, and what is spoken then.
        config.alpn_protocols = vec![b"istio".to_vec(), b"http/1.1".to_vec()];
        config.resumption = if resumed {
            Resumption::in_memory_sessions(16)
        } else {
            Resumption::disabled()
        };
        Arc::new(config)
    }
}

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

    /// A client with the certificate of an account, which calls `greeter`.
    pub(crate) fn client(&self, account: &str) -> Result<MeshClient, Failure> {
        let doing = "a client's certificate";
        let issued = self.issue(account)?.issued;
        let roots = cert::parse_chain(issued.roots.as_bytes()).doing(doing)?;
        let certificate = WorkloadCertificate {
            chain: cert::parse_chain(issued.chain.as_bytes()).doing(doing)?,
            key: PrivateKeyDer::from_pem_slice(issued.key.as_str().as_bytes()).doing(doing)?,
            roots: roots.clone(),
        };
        let expected = "spiffe://cluster.local/ns/default/sa/greeter"
            .parse()
            .doing(doing)?;
        let tls = ClientTls::new(&roots, Some(certificate), Expected::Spiffe(vec![expected]))
            .doing(doing)?;
        Ok(MeshClient((*tls.config()).clone()))
    }

    /// A certificate for a service account of the namespace `default`.
    pub(crate) fn issue(&self, account: &str) -> Result<Identity, Failure> {
        let doing = format!("a certificate for {account}");
        let id = format!("spiffe://cluster.local/ns/default/sa/{account}");
        let mut params = CertificateParams::default();
        // As in Istio's: without a subject. One equal to the issuer's would make it a root.
        params.distinguished_name = DistinguishedName::new();
        // The second name is for proxies that look for a host's.
        let host = format!("{account}.default.svc.cluster.local");
        params.subject_alt_names = vec![
            SanType::URI(id.as_str().try_into().doing(&doing)?),
            SanType::DnsName(host.try_into().doing(&doing)?),
        ];
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
