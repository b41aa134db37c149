//! An authority and the workloads that it names.

use std::sync::Arc;

use graph::cluster::UpstreamTransport;
use graph::text::{TextMatch, TextMatcher};
use graph::tls::{DownstreamTls, PeerNames, SanKind, SanMatch, Secured, UpstreamTls};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
pub const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

/// Signs certificates and makes TLS settings of them.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_text: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "cluster.local");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        Authority {
            root_text: root.pem(),
            root: root.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Certificate, key and root as text.
    #[allow(dead_code)] // Envoy reads them so, and is not in all tests
    pub fn pem(&self, uri: &str) -> [String; 3] {
        let (leaf, key) = self.signed(uri);
        [leaf.pem(), key.serialize_pem(), self.root_text.clone()]
    }

    fn signed(&self, uri: &str) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec!["peer.example".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI(uri.try_into().unwrap()));
        // As Istio's; and an issuer of its own name would be taken for the issuer of itself.
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn issue(&self, uri: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (leaf, key) = self.signed(uri);
        (
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        Arc::new(roots)
    }

    pub fn server(&self, alpn: &[&[u8]]) -> Secured<DownstreamTls> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone())
            .build()
            .unwrap();
        let (chain, key) = self.issue(SERVER);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        let without_alpn = Some(Arc::new(config.clone()));
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        Secured::Ready(Arc::new(DownstreamTls {
            config: Arc::new(config),
            without_alpn,
            require_client_certificate: true,
            peers: PeerNames::default(),
            pins: Default::default(),
            local_uri: SERVER.into(),
        }))
    }

    pub fn client(&self, alpn: &[&[u8]], expects: &str) -> UpstreamTransport {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = self.issue(CLIENT);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        let pattern = TextMatcher {
            pattern: TextMatch::Exact(expects.as_bytes().into()),
            ignore_case: false,
        };
        let names: Arc<[SanMatch]> = Arc::new([SanMatch {
            kind: SanKind::Uri,
            pattern,
        }]);
        UpstreamTransport::Tls(Secured::Ready(Arc::new(UpstreamTls {
            config: Arc::new(config),
            sni: Some("peer.example".into()),
            alpn: alpn.iter().map(|p| p.to_vec()).collect(),
            peers: PeerNames { names },
            local_uri: "".into(),
        })))
    }
}
