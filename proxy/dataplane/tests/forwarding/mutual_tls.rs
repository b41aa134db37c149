//! Two data planes with mutual TLS between them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use graph::cluster::{UpstreamProtocol, UpstreamTransport};
use graph::manager::{ClientCertDetails, ForwardClientCert};
use graph::route::Action;
use graph::text::{TextMatch, TextMatcher};
use graph::tls::{DownstreamTls, PeerNames, SanKind, SanMatch, Secured, UpstreamTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::graphs::{cluster, forward, graph, http, manager, route, secured, tcp};
use crate::peers::{ask1, ask2, free, http1, http2, lines, server, started};

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
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

    fn server(&self, alpn: &[&[u8]]) -> Secured<DownstreamTls> {
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

    fn client(&self, alpn: &[&[u8]], expects: &str) -> UpstreamTransport {
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

/// What a pair is made of; it serves until it is dropped.
struct Pair {
    entry: SocketAddr,
    _planes: [dataplane::DataPlane; 2],
}

/// client -> plane -> mutual TLS -> plane -> upstream
async fn pair(
    upstream: SocketAddr,
    protocol: UpstreamProtocol,
    expects: &str,
    logs: &std::path::Path,
) -> Pair {
    let authority = Authority::new();
    let (entry, middle) = (free(), free());
    let forwards = |log: &str| {
        let log = logs.join(log);
        manager(
            vec![route("/", Action::Forward(Box::new(forward(0))))],
            log.to_str().unwrap(),
        )
    };
    let mut inbound = forwards("inbound");
    inbound.forward_client_cert = ForwardClientCert::AppendForward;
    inbound.set_current_client_cert = ClientCertDetails {
        subject: true,
        uri: true,
        dns: true,
        ..Default::default()
    };
    let alpn: &[&[u8]] = &[b"h2", b"http/1.1"];
    let offered: &[&[u8]] = if protocol == UpstreamProtocol::Http2 {
        &[b"h2"]
    } else {
        &[b"http/1.1"]
    };
    let serving = secured(
        middle,
        Some(authority.server(alpn)),
        http(inbound),
        vec![cluster(0, &[upstream], protocol)],
    );
    let mut towards = cluster(0, &[middle], protocol);
    towards.transports = vec![authority.client(offered, expects)];
    let calling = graph(entry, http(forwards("outbound")), vec![towards]);
    let planes = [
        started(middle, &serving).await,
        started(entry, &calling).await,
    ];
    Pair {
        entry,
        _planes: planes,
    }
}

#[tokio::test]
async fn requests_pass_two_hops_and_the_server_knows_its_client() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let directory = tempfile::tempdir().unwrap();
        let (upstream, _) = server("one").await;
        let pair = pair(upstream, protocol, SERVER, directory.path()).await;
        let body = Bytes::from(vec![b'x'; 300_000]);
        let mut two = http2(pair.entry).await;
        let mut one = http1(pair.entry).await;
        for _ in 0..20 {
            assert_eq!(
                ask2(&mut two, "POST", "/echo", body.clone()).await.body,
                body,
                "{protocol:?}"
            );
            assert_eq!(
                ask1(&mut one, "POST", "/echo", body.clone()).await.body,
                body,
                "{protocol:?}"
            );
        }
        let answer = ask2(&mut two, "GET", "/", Bytes::new()).await;
        let certificate = answer.headers["seen-client-cert"].to_str().unwrap();
        assert!(
            certificate.starts_with(&format!("By={SERVER};Hash=")),
            "{certificate}"
        );
        assert!(
            certificate.contains(&format!("URI={CLIENT}")),
            "{certificate}"
        );
        assert_eq!(lines(&directory.path().join("inbound"), 41).await.len(), 41);
        assert_eq!(
            lines(&directory.path().join("outbound"), 41).await.len(),
            41
        );
    }
}

#[tokio::test]
async fn a_server_with_another_name_gets_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, _) = server("one").await;
    let other = "spiffe://cluster.local/ns/default/sa/other";
    let pair = pair(upstream, UpstreamProtocol::Http2, other, directory.path()).await;
    let mut client = http2(pair.entry).await;
    let answer = ask2(&mut client, "GET", "/", Bytes::new()).await;
    assert_eq!(answer.status, 503);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("CERTIFICATE_VERIFY_FAILED"), "{body}");
    let line = lines(&directory.path().join("outbound"), 1).await.remove(0);
    assert!(
        line.contains(" 503 UF,URX ") || line.contains(" 503 URX,UF "),
        "{line}"
    );
}

#[tokio::test]
async fn bytes_pass_two_hops() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = upstream.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = upstream.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    let authority = Authority::new();
    let (entry, middle) = (free(), free());
    let serving = secured(
        middle,
        Some(authority.server(&[b"istio"])),
        tcp(0),
        vec![cluster(0, &[endpoint], UpstreamProtocol::Http1)],
    );
    let mut towards = cluster(0, &[middle], UpstreamProtocol::Http1);
    towards.transports = vec![authority.client(&[b"istio"], SERVER)];
    let _planes = [
        started(middle, &serving).await,
        started(entry, &graph(entry, tcp(0), vec![towards])).await,
    ];
    let mut client = tokio::net::TcpStream::connect(entry).await.unwrap();
    let sent: Vec<u8> = (0..2_000_000u32).map(|n| (n % 241) as u8).collect();
    let (mut from, mut to) = client.split();
    let mut back = Vec::new();
    let (written, read) = tokio::join!(
        async {
            to.write_all(&sent).await.unwrap();
            to.shutdown().await.unwrap();
            sent.len()
        },
        from.read_to_end(&mut back)
    );
    assert_eq!((written, read.unwrap()), (sent.len(), sent.len()));
    assert!(back == sent);
}
