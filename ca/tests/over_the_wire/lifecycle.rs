//! Rotation, restart and disturbances, seen from connections that are open meanwhile.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use ca_api::istio_certificate_service_client::IstioCertificateServiceClient;
use hyper_util::rt::TokioIo;
use identity::cert::{self, fingerprint};
use identity::tls::ClientTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::harness::{Authority, Caller, DEADLINE, claims, launch, request, start};

async fn connect(authority: &Authority, tls: &ClientTls) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(authority.ca().address).await.unwrap();
    let name = tls.server_name("ca.istio-system.svc").unwrap();
    TlsConnector::from(tls.config())
        .connect(name, stream)
        .await
        .unwrap()
}

fn certificate_of(connection: &TlsStream<TcpStream>) -> String {
    fingerprint(&connection.get_ref().1.peer_certificates().unwrap()[0])
}

/// A caller on the one connection `stream`: when that ends, it cannot make another.
fn caller_on(stream: TlsStream<TcpStream>, token: String) -> Caller {
    let stream = Mutex::new(Some(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.lock().unwrap().take();
        async move {
            stream
                .map(TokioIo::new)
                .ok_or(std::io::Error::other("the connection was lost"))
        }
    });
    let channel = Endpoint::from_static("http://ca").connect_with_connector_lazy(connector);
    Caller {
        client: IstioCertificateServiceClient::new(channel),
        token: Some(token),
        forwarded: None,
    }
}

#[tokio::test]
async fn the_serving_certificate_rotates_while_an_open_connection_goes_on() {
    let authority = start(&["--serverCertTTL", "2s"]).await;
    let tls = authority.tls(None);
    let open = connect(&authority, &tls).await;
    let before = certificate_of(&open);
    let pod = caller_on(open, authority.signer.sign(&claims("default", "greeter")));
    pod.send(request()).await.unwrap();
    let start = Instant::now();
    while certificate_of(&connect(&authority, &tls).await) == before {
        assert!(
            start.elapsed() < DEADLINE,
            "not rotated within {DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    pod.send(request()).await.unwrap();
}

#[tokio::test]
async fn a_caller_reaches_an_authority_that_was_gone_and_is_back_with_the_same_root() {
    let mut authority = start(&[]).await;
    let (pod, address) = (authority.pod("default", "greeter"), authority.ca().address);
    let certificate = pod.certificate().await.unwrap();
    authority.stop().await;
    assert!(pod.send(request()).await.is_err(), "nobody listens now");
    authority.start_again(address).await;
    pod.send(request()).await.unwrap();
    authority
        .caller_with(Some(certificate), None)
        .send(request())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_flag() {
    let authority = start(&[]).await;
    let (address, shutdown) = (authority.ca().address.to_string(), CancellationToken::new());
    let error = launch(authority.directory.path(), &address, &[], &shutdown)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&address) && error.contains("--listen"),
        "{error}"
    );
}

#[tokio::test]
async fn connections_that_are_silent_or_speak_no_tls_hold_up_nobody() {
    let authority = start(&[]).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(authority.ca().address).await.unwrap());
    }
    let mut plain = TcpStream::connect(authority.ca().address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    authority
        .pod("default", "greeter")
        .send(request())
        .await
        .unwrap();
    let mut rest = Vec::new();
    // An alert or a reset: in any case the end.
    let _ = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"));
}

#[tokio::test]
async fn shutdown_ends_although_a_caller_keeps_its_connection() {
    let mut authority = start(&[]).await;
    let pod = authority.pod("default", "greeter");
    pod.send(request()).await.unwrap();
    authority.stop().await;
    drop(pod);
}

/// The root as a caller is told it, and when that and the leaf before it end.
async fn told(pod: &Caller) -> (String, SystemTime, SystemTime) {
    let chain = pod.send(request()).await.unwrap();
    let end = |pem: &str| {
        let parsed = cert::parse_chain(pem.as_bytes()).unwrap();
        cert::Validity::of(&parsed[0]).unwrap().not_after
    };
    let (leaf, root) = (&chain[0], &chain[1]);
    (root.clone(), end(root), end(leaf))
}

#[tokio::test]
async fn a_root_that_nears_its_end_is_renewed_while_an_open_connection_goes_on() {
    let more = ["--rootCertTTL", "5s", "--rootCertGracePercent", "60"];
    let mut authority = start(&more).await;
    let tls = authority.tls(None);
    let open = connect(&authority, &tls).await;
    let pod = caller_on(open, authority.signer.sign(&claims("default", "greeter")));
    let (first, first_end, _) = told(&pod).await;
    let start = Instant::now();
    let mut renewals = 0;
    let mut last = first.clone();
    while SystemTime::now() < first_end + Duration::from_secs(2) {
        let (root, root_end, leaf_end) = told(&pod).await;
        assert!(SystemTime::now() < root_end && leaf_end <= root_end);
        renewals += usize::from(root != last);
        last = root;
        assert!(start.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(renewals >= 2, "{renewals}");
    // Who knows only the root of the beginning, which is over, still knows the authority by its key.
    let anew = connect(&authority, &tls).await;
    drop(anew);
    authority.stop().await;
    let kept =
        std::fs::read_to_string(authority.directory.path().join("data/root-cert.pem")).unwrap();
    assert_ne!(kept, first);
}
