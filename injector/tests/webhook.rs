//! The webhook over real HTTPS: answers, and a certificate that is replaced while it serves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::sync::Arc;
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

async fn post(
    port: u16,
    root: &CertificateDer<'static>,
    path: &str,
    body: &str,
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("istio-sidecar-injector.istio-system.svc").unwrap();
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, tcp).await?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
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
async fn reviews_are_answered_over_https_and_a_new_certificate_is_taken_up() {
    process::crypto::install();
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

    let answer = post(port, &first, "/inject/net/n1", &review())
        .await
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["response"]["allowed"], true);
    assert_eq!(body["response"]["patchType"], "JSONPatch");
    let nonsense = post(port, &first, "/inject", "{").await.unwrap();
    assert!(nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");

    let second = certify(directory.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    while post(port, &second, "/inject", &review()).await.is_err() {
        assert!(
            Instant::now() < deadline,
            "the new certificate is never served"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
