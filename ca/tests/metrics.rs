//! The monitoring port. Alone in its process, because the counters are the process's.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "over_the_wire/harness.rs"]
mod harness;

use std::net::SocketAddr;
use std::time::SystemTime;

use ca_api::IstioCertificateRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use harness::{Signer, claims, impersonate, request, start};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: ca\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The value of the sample `name` that has no labels.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in:\n{metrics}"))
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn requests_and_refusals_are_counted_under_citadels_names_and_refusals_sign_nothing() {
    let authority = start(&[]).await;
    let names = [
        "csr_count",
        "success_cert_issuance_count",
        "csr_parsing_err_count",
        "authentication_failure_count",
    ];
    let counts = async || {
        let text = get(authority.ca().monitoring_address, "/metrics").await;
        names.map(|name| value(&text, &format!("citadel_server_{name}")))
    };
    assert_eq!(counts().await, [0.0; 4]);
    let pod = authority.pod("default", "greeter");
    pod.send(request()).await.unwrap();
    assert_eq!(counts().await, [1.0, 1.0, 0.0, 0.0]);
    assert!(authority.caller(None).send(request()).await.is_err());
    let forged = Signer::new("one").sign(&claims("default", "greeter"));
    assert!(
        authority
            .caller(Some(forged))
            .send(request())
            .await
            .is_err()
    );
    assert!(
        pod.send(IstioCertificateRequest {
            csr: "?".to_owned(),
            ..Default::default()
        })
        .await
        .is_err()
    );
    let other = impersonate("spiffe://cluster.local/ns/a/sa/b");
    assert!(
        pod.send(IstioCertificateRequest {
            metadata: Some(other),
            ..request()
        })
        .await
        .is_err()
    );
    assert_eq!(counts().await, [5.0, 1.0, 1.0, 2.0]);

    let text = get(authority.ca().monitoring_address, "/metrics").await;
    let expires = value(&text, "citadel_server_root_cert_expiry_timestamp");
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let years = (expires - now) / (365.0 * 86400.0);
    assert!((9.9..10.1).contains(&years), "{years} years");
    assert!(
        get(authority.ca().monitoring_address, "/ready")
            .await
            .starts_with("HTTP/1.1 200")
    );
}
