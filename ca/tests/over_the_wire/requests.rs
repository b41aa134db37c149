//! What can be wrong with a request whose caller is welcome.

use std::time::SystemTime;

use ca_api::IstioCertificateRequest;
use identity::csr;
use tonic::Code::{InvalidArgument, OutOfRange};

use crate::harness::{HOUR, assert_refused, request, start, workload};

#[tokio::test]
async fn each_thing_wrong_with_a_csr_is_said_and_nothing_is_signed() {
    let authority = start(&[]).await;
    let pod = authority.pod("default", "greeter");
    let block = |body: &str| {
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
    };
    for (csr, said) in [
        (String::new(), "not PEM"),
        ("hello".to_owned(), "not PEM"),
        (block("MAA="), "malformed"),
        (block(&"A".repeat(20 * 1024)), "more than 16384"),
        (
            include_str!("../../src/request/rsa1024.pem").to_owned(),
            "key is not supported",
        ),
        (tampered(), "signature is wrong"),
    ] {
        let answer = pod
            .send(IstioCertificateRequest {
                csr,
                ..Default::default()
            })
            .await;
        assert_refused(answer, InvalidArgument, &["CSR", said]);
    }
    assert!(pod.send(request()).await.is_ok());
}

/// A request of which one character inside the signed part was changed.
fn tampered() -> String {
    let (_, csr) = csr::generate("spiffe://cluster.local/ns/default/sa/greeter").unwrap();
    use rustls::pki_types::CertificateSigningRequestDer;
    use rustls::pki_types::pem::PemObject;
    let mut der = CertificateSigningRequestDer::from_pem_slice(csr.as_str().as_bytes())
        .unwrap()
        .to_vec();
    let at = der
        .windows(7)
        .position(|window| window == b"greeter")
        .unwrap();
    der[at] = b'G';
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
}

#[tokio::test]
async fn a_message_of_any_size_is_refused_without_losing_the_connection() {
    let authority = start(&[]).await;
    let pod = authority.pod("default", "greeter");
    let huge = IstioCertificateRequest {
        csr: "A".repeat(1024 * 1024),
        ..Default::default()
    };
    assert_refused(pod.send(huge).await, OutOfRange, &["too large"]);
    assert!(pod.send(request()).await.is_ok());
}

#[tokio::test]
async fn lifetimes_are_as_asked_up_to_the_limit_and_never_negative() {
    let authority = start(&["--maxWorkloadCertTTL", "48h"]).await;
    let pod = authority.pod("default", "greeter");
    for (asked, hours) in [(7200, 2), (0, 24), (i64::MAX, 48)] {
        let (key, csr) = csr::generate("a.example").unwrap();
        let message = IstioCertificateRequest {
            csr: csr.into_string(),
            validity_duration: asked,
            metadata: None,
        };
        let validity = workload(&pod.send(message).await.unwrap(), &key)
            .validity()
            .unwrap();
        let left = validity
            .not_after
            .duration_since(SystemTime::now())
            .unwrap();
        assert!(
            left <= hours * HOUR && left > hours * HOUR - HOUR,
            "asked for {asked}, got {left:?}"
        );
    }
    let answer = pod
        .send(IstioCertificateRequest {
            validity_duration: -1,
            ..request()
        })
        .await;
    assert_refused(answer, InvalidArgument, &["validity_duration", "-1"]);
}

#[tokio::test]
async fn a_chain_has_one_certificate_per_element_leaf_first_root_last() {
    let authority = start(&[]).await;
    let chain = authority
        .pod("default", "greeter")
        .send(request())
        .await
        .unwrap();
    assert_eq!(chain.len(), 2);
    assert!(
        chain
            .iter()
            .all(|pem| pem.matches("BEGIN CERTIFICATE").count() == 1)
    );
    assert_eq!(chain[1], authority.ca().root_pem());
}

#[tokio::test]
async fn a_control_plane_account_gets_the_names_that_it_serves_under() {
    let authority = start(&["--dnsNames", "istio-system/istiod=istiod.istio-system.svc"]).await;
    let serving = authority
        .pod("istio-system", "istiod")
        .certificate()
        .await
        .unwrap();
    let names = |certificate: &identity::bundle::WorkloadCertificate, name: &str| {
        let leaf = certificate.chain[0].clone();
        let parsed = rustls::server::ParsedCertificate::try_from(&leaf).unwrap();
        rustls::client::verify_server_name(&parsed, &name.to_owned().try_into().unwrap()).is_ok()
    };
    assert!(names(&serving, "istiod.istio-system.svc"));
    let ordinary = authority
        .pod("default", "istiod")
        .certificate()
        .await
        .unwrap();
    assert!(!names(&ordinary, "istiod.istio-system.svc"));
}
