//! Two workloads on a loopback connection.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use identity::bundle::WorkloadCertificate;
use identity::cert::fingerprint;
use identity::channel;
use identity::csr::KeyPem;
use identity::incoming::{self, Peer};
use identity::tls::{ALPN_H2, ClientAuth, ClientTls, Expected, ServerTls, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt;
use tonic::transport::server::Connected;

const SERVER: &str = "spiffe://cluster.local/ns/istio-system/sa/istiod";
const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/greeter";
const DNS: &str = "istiod.istio-system.svc";

/// A root and the certificates that it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Vec<CertificateDer<'static>> {
        vec![self.0.der().clone()]
    }

    fn certify(&self, id: &str) -> WorkloadCertificate {
        self.certify_until(id, 2126)
    }

    fn certify_until(&self, id: &str, year: i32) -> WorkloadCertificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![
            SanType::URI(id.try_into().unwrap()),
            SanType::DnsName(DNS.try_into().unwrap()),
        ];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let key = KeyPem::new(key.serialize_pem());
        WorkloadCertificate::from_pem(leaf.pem().as_bytes(), &key, self.0.pem().as_bytes()).unwrap()
    }
}

/// Serves with `tls`: each connection gets one line saying who the server thinks it is.
async fn serve(tls: Arc<ServerTls>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = incoming::accept(listener, tls);
    tokio::spawn(async move {
        while let Some(connection) = connections.next().await {
            let mut connection = connection.unwrap();
            let peer: Peer = connection.connect_info();
            let id = peer
                .certificate
                .and_then(|c| c.id.clone())
                .map_or("nobody".to_owned(), |id| id.to_string());
            tokio::spawn(async move {
                connection.write_all(id.as_bytes()).await.unwrap();
                connection.shutdown().await.unwrap();
            });
        }
    });
    address
}

fn server(authority: &Authority, auth: ClientAuth) -> Arc<ServerTls> {
    Arc::new(ServerTls::new(authority.certify(SERVER), auth, &[ALPN_H2]).unwrap())
}

fn dns(name: &str) -> Expected {
    Expected::Dns(name.to_owned().try_into().unwrap())
}

fn spiffe(ids: &[&str]) -> Expected {
    Expected::Spiffe(ids.iter().map(|id| id.parse().unwrap()).collect())
}

async fn connect(address: SocketAddr, tls: &ClientTls) -> io::Result<TlsStream<TcpStream>> {
    let name = tls.server_name(&address.ip().to_string()).unwrap();
    TlsConnector::from(tls.config())
        .connect(name, TcpStream::connect(address).await.unwrap())
        .await
}

/// Whom the server takes the client for.
async fn seen_as(address: SocketAddr, tls: &ClientTls) -> io::Result<String> {
    let mut stream = connect(address, tls).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}

#[tokio::test]
async fn a_server_learns_its_peers_identity() {
    let authority = Authority::new();
    let address = serve(server(&authority, ClientAuth::Optional)).await;
    let known = ClientTls::new(
        &authority.roots(),
        Some(authority.certify(CLIENT)),
        dns(DNS),
    )
    .unwrap();
    assert_eq!(seen_as(address, &known).await.unwrap(), CLIENT);
    let unknown = ClientTls::new(&authority.roots(), None, dns(DNS)).unwrap();
    assert_eq!(seen_as(address, &unknown).await.unwrap(), "nobody");
}

#[tokio::test]
async fn a_server_that_requires_a_certificate_refuses_whoever_has_none() {
    let authority = Authority::new();
    let address = serve(server(&authority, ClientAuth::Required)).await;
    let without = ClientTls::new(&authority.roots(), None, dns(DNS)).unwrap();
    assert!(seen_as(address, &without).await.is_err());
    let with = ClientTls::new(
        &authority.roots(),
        Some(authority.certify(CLIENT)),
        dns(DNS),
    )
    .unwrap();
    assert_eq!(seen_as(address, &with).await.unwrap(), CLIENT);
}

#[tokio::test]
async fn a_client_certificate_that_does_not_verify_is_refused_also_where_it_is_optional() {
    let (authority, other) = (Authority::new(), Authority::new());
    let address = serve(server(&authority, ClientAuth::Optional)).await;
    for certificate in [other.certify(CLIENT), authority.certify_until(CLIENT, 2021)] {
        let client = ClientTls::new(&authority.roots(), Some(certificate), dns(DNS)).unwrap();
        assert!(seen_as(address, &client).await.is_err());
    }
}

#[tokio::test]
async fn a_client_accepts_only_the_server_that_it_expects() {
    let authority = Authority::new();
    let address = serve(server(&authority, ClientAuth::None)).await;
    for (expected, good) in [
        (dns(DNS), true),
        (dns("ca.istio-system.svc"), false),
        (spiffe(&[CLIENT, SERVER]), true),
        (spiffe(&[CLIENT]), false),
        (spiffe(&[]), false),
    ] {
        let client = ClientTls::new(&authority.roots(), None, expected.clone()).unwrap();
        assert_eq!(
            connect(address, &client).await.is_ok(),
            good,
            "{expected:?}"
        );
    }
    let stranger = ClientTls::new(&Authority::new().roots(), None, dns(DNS)).unwrap();
    assert!(connect(address, &stranger).await.is_err());
}

#[tokio::test]
async fn a_client_refuses_an_expired_server() {
    let authority = Authority::new();
    let expired = authority.certify_until(SERVER, 2021);
    let address = serve(Arc::new(
        ServerTls::new(expired, ClientAuth::None, &[ALPN_H2]).unwrap(),
    ))
    .await;
    for expected in [dns(DNS), spiffe(&[SERVER])] {
        let client = ClientTls::new(&authority.roots(), None, expected).unwrap();
        assert!(connect(address, &client).await.is_err());
    }
}

#[tokio::test]
async fn replaced_settings_are_used_by_the_next_connection_on_both_sides() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = server(&old, ClientAuth::Optional);
    let address = serve(tls.clone()).await;
    let client = ClientTls::new(&old.roots(), Some(old.certify(CLIENT)), dns(DNS)).unwrap();
    assert_eq!(seen_as(address, &client).await.unwrap(), CLIENT);
    tls.replace(new.certify(SERVER)).unwrap();
    assert!(
        seen_as(address, &client).await.is_err(),
        "the old root must not vouch for the new certificate"
    );
    client
        .replace(&new.roots(), Some(new.certify(SERVER)))
        .unwrap();
    assert_eq!(seen_as(address, &client).await.unwrap(), SERVER);
}

#[tokio::test]
async fn settings_that_cannot_be_used_leave_the_old_ones_in_use() {
    let authority = Authority::new();
    let tls = server(&authority, ClientAuth::Optional);
    let address = serve(tls.clone()).await;
    let client = ClientTls::new(&authority.roots(), None, dns(DNS)).unwrap();
    let before = fingerprint(
        &connect(address, &client)
            .await
            .unwrap()
            .get_ref()
            .1
            .peer_certificates()
            .unwrap()[0],
    );
    let mut mixed = authority.certify(SERVER);
    mixed.key = authority.certify(SERVER).key;
    assert!(matches!(tls.replace(mixed), Err(TlsError::Key(_))));
    let rootless = WorkloadCertificate {
        roots: Vec::new(),
        ..authority.certify(SERVER)
    };
    assert!(matches!(tls.replace(rootless), Err(TlsError::Roots(0))));
    assert!(matches!(client.replace(&[], None), Err(TlsError::Roots(0))));
    let after = fingerprint(
        &connect(address, &client)
            .await
            .unwrap()
            .get_ref()
            .1
            .peer_certificates()
            .unwrap()[0],
    );
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_listener_closes_with_the_stream_of_connections() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(incoming::accept(
        listener,
        server(&authority, ClientAuth::None),
    ));
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed)
        .await
        .expect("the port stays open");
}

/// A client that is done with its handshake and says nothing is given up as well.
#[tokio::test]
async fn a_client_without_a_preface_is_given_up() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = incoming::accept(listener, server(&authority, ClientAuth::None));
    let client = ClientTls::new(&authority.roots(), None, dns(DNS)).unwrap();
    let (mut silent, accepted) = tokio::join!(connect(address, &client), connections.next());
    let mut accepted = accepted.unwrap().unwrap();
    let mut read = [0; 64];
    let half = b"PRI * HTTP/2.0\r\n";
    silent.as_mut().unwrap().write_all(half).await.unwrap();
    assert_eq!(accepted.read(&mut read).await.unwrap(), half.len());
    tokio::time::pause();
    let error = accepted.read(&mut read).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_plain_connection_has_an_address_and_no_identity() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = incoming::accept_plain(listener);
    let client = TcpStream::connect(address).await.unwrap();
    let peer = connections.next().await.unwrap().unwrap().connect_info();
    assert_eq!(
        peer,
        Peer {
            addr: client.local_addr().unwrap(),
            certificate: None
        }
    );
}

#[tokio::test]
async fn a_target_that_is_not_host_and_port_is_refused_at_once() {
    let authority = Authority::new();
    let tls = Arc::new(ClientTls::new(&authority.roots(), None, dns(DNS)).unwrap());
    for target in [
        "",
        "istiod",
        "istiod:",
        "istiod:http",
        ":15012",
        "a b:1",
        "istiod:99999",
        "a/b:1",
        "a:1/b",
        "a@b:1",
    ] {
        assert!(
            channel::connect(target, tls.clone()).is_err(),
            "{target:?} was accepted"
        );
    }
    for target in [
        "istiod.istio-system.svc:15012",
        "192.0.2.1:1",
        "[2001:db8::1]:15012",
    ] {
        assert!(
            channel::connect(target, tls.clone()).is_ok(),
            "{target:?} was refused"
        );
    }
}
