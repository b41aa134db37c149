//! The webhook over real HTTPS: answers, and a certificate that is replaced while it serves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use injector::webhook::{Injector, Options};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Writes a new certificate with its key and gives the certificate.
fn certify(directory: &Path) -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["istio-sidecar-injector.istio-system.svc".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    // The key first: a pair that does not fit must be survived, not only a whole one.
    std::fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("tls.crt"), certificate.pem()).unwrap();
    certificate.der().clone()
}

type Stream = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// A connection that trusts this certificate alone.
async fn connect(port: u16, root: &CertificateDer<'static>) -> std::io::Result<Stream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("istio-sidecar-injector.istio-system.svc").unwrap();
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await
}

/// One request on a connection that stays open, and its answer.
async fn ask(stream: &mut Stream, path: &str, body: &str) -> std::io::Result<String> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        if body.len() >= length.unwrap().parse().unwrap() {
            return Ok(text.into_owned());
        }
    }
}

async fn post(
    port: u16,
    root: &CertificateDer<'static>,
    path: &str,
    body: &str,
) -> std::io::Result<String> {
    ask(&mut connect(port, root).await?, path, body).await
}

/// What the process logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Waits until it holds, for a minute at most.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn review() -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "namespace": "default", "kind": {"kind": "Pod"},
            "object": {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}}},
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_leaves_the_last_good_one() {
    process::crypto::install();
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .init();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let first = certify(directory.path());
    std::fs::write(file("values"), "global: {hub: example.com/one}").unwrap();
    let options = Options::parse_from([
        "injector",
        "--port=0",
        "--monitoringAddr=127.0.0.1:0",
        &format!("--tlsCertFile={}", file("tls.crt")),
        &format!("--tlsKeyFile={}", file("tls.key")),
        &format!("--injectConfig={}", file("values")),
    ]);
    let shutdown = CancellationToken::new();
    let injector = Injector::start(options, axum::Router::new(), shutdown.clone())
        .await
        .unwrap();
    let port = injector.address.port();

    let mut open = connect(port, &first).await.unwrap();
    let answer = ask(&mut open, "/inject/net/n1", &review()).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["response"]["allowed"], true);
    assert_eq!(body["response"]["patchType"], "JSONPatch");
    for path in ["/inject", "/validate"] {
        let nonsense = post(port, &first, path, "{").await.unwrap();
        assert!(nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
    }
    let valid = post(port, &first, "/validate", &review()).await.unwrap();
    assert!(valid.contains(r#""allowed":true"#), "{valid}");

    for broken in ["-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n", ""] {
        let before = log.text().len();
        std::fs::write(file("tls.crt"), broken).unwrap();
        until("nothing is said of the broken file", async || {
            let text = log.text();
            text[before..].contains("the last good certificate goes on") && text.contains("tls.crt")
        })
        .await;
        post(port, &first, "/inject", &review()).await.unwrap();
    }

    let second = certify(directory.path());
    until("the new certificate is never served", async || {
        post(port, &second, "/inject", &review()).await.is_ok()
    })
    .await;
    assert!(post(port, &first, "/inject", &review()).await.is_err());
    ask(&mut open, "/inject", &review())
        .await
        .expect("a connection that was open goes on");
    drop(open);
    shutdown.cancel();
    injector.finished().await;
}

#[tokio::test]
async fn a_missing_or_broken_file_is_named_at_the_start() {
    process::crypto::install();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let start = |extra: Vec<String>| {
        let mut arguments = vec![
            "injector".to_owned(),
            "--port=0".to_owned(),
            "--monitoringAddr=127.0.0.1:0".to_owned(),
            format!("--tlsCertFile={}", file("tls.crt")),
            format!("--tlsKeyFile={}", file("tls.key")),
        ];
        arguments.extend(extra);
        Injector::start(
            Options::parse_from(arguments),
            axum::Router::new(),
            CancellationToken::new(),
        )
    };
    let message = start(vec![]).await.unwrap_err().to_string();
    assert!(message.contains("tls.crt"), "{message}");
    certify(directory.path());
    std::fs::write(file("values"), "global: 7").unwrap();
    let message = start(vec![format!("--injectConfig={}", file("values"))])
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("values"), "{message}");
}
