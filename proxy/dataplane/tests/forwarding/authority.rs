//! An authority and the workloads that it names.

use std::sync::Arc;

use graph::cluster::UpstreamTransport;
use graph::text::{TextMatch, TextMatcher};
use graph::tls::{DownstreamTls, PeerNames, SanKind, SanMatch, Secured, UpstreamTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
pub const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

/// Signs certificates and makes TLS settings of them.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Authority {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    fn issue(&self, uri: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec!["peer.example".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI(uri.try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
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
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        Secured::Ready(Arc::new(DownstreamTls {
            config: Arc::new(config),
            require_client_certificate: true,
            peers: PeerNames::default(),
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
        })))
    }
}
