//! Who gets a certificate, and what those hear who do not.

use std::time::SystemTime;

use ca::root::Root;
use serde_json::{Value, json};
use tonic::Code::{InvalidArgument, PermissionDenied, Unauthenticated};

use crate::harness::{
    HOUR, Signer, assert_refused, certificate_of, claims, impersonate, request, seconds_from_now,
    start, start_with_root_from,
};

const GREETER: &str = "spiffe://cluster.local/ns/default/sa/greeter";

#[tokio::test]
async fn a_token_gets_the_certificate_of_its_service_account_whatever_the_csr_names() {
    let authority = start(&[]).await;
    let certificate = authority
        .pod("default", "greeter")
        .certificate()
        .await
        .unwrap();
    assert_eq!(certificate.identity().unwrap().to_string(), GREETER);
    let validity = certificate.validity().unwrap();
    let left = validity
        .not_after
        .duration_since(SystemTime::now())
        .unwrap();
    assert!(left > 23 * HOUR && left <= 24 * HOUR, "{left:?}");
}

#[tokio::test]
async fn an_issued_certificate_proves_its_holder_for_the_next_one() {
    let authority = start(&[]).await;
    let first = authority
        .pod("default", "greeter")
        .certificate()
        .await
        .unwrap();
    assert_eq!(
        authority
            .caller_with(Some(first), None)
            .identity()
            .await
            .unwrap(),
        GREETER
    );
}

#[tokio::test]
async fn a_certificate_goes_before_a_token() {
    let authority = start(&[]).await;
    let token = authority.signer.sign(&claims("default", "other"));
    let caller = authority.caller_with(
        Some(authority.certificate(GREETER, SystemTime::now())),
        Some(token),
    );
    assert_eq!(caller.identity().await.unwrap(), GREETER);
}

#[tokio::test]
async fn each_thing_wrong_with_a_token_is_said_and_nothing_is_signed() {
    let authority = start(&[]).await;
    let changed = |key: &str, value: Value| {
        let mut claims = claims("default", "greeter");
        claims[key] = value;
        authority.signer.sign(&claims)
    };
    let good = claims("default", "greeter");
    for (token, said) in [
        (
            changed("aud", json!(["vault"])),
            &["wrong audience", "[vault]", "[istio-ca]"][..],
        ),
        (changed("exp", json!(seconds_from_now(-60))), &["expired"]),
        (
            changed("nbf", json!(seconds_from_now(600))),
            &["not valid yet"],
        ),
        (
            changed("iss", json!("https://elsewhere")),
            &["wrong issuer", "https://elsewhere"],
        ),
        (
            changed("sub", json!("alice")),
            &["not a service account's", "alice"],
        ),
        (Signer::new("one").sign(&good), &["wrong signature"]),
        (Signer::new("two").sign(&good), &["unknown key", "two"]),
        ("no.token.atall".to_owned(), &["malformed"]),
        ("a".repeat(12_000), &["malformed"]),
    ] {
        assert_refused(
            authority.caller(Some(token)).send(request()).await,
            Unauthenticated,
            said,
        );
    }
    let upper_case = changed("sub", json!("system:serviceaccount:default:Greeter"));
    let answer = authority.caller(Some(upper_case)).send(request()).await;
    assert_refused(answer, Unauthenticated, &["service account", "differ"]);
}

#[tokio::test]
async fn a_refusal_never_repeats_the_token() {
    let authority = start(&[]).await;
    let token = Signer::new("one").sign(&claims("default", "greeter"));
    let status = authority
        .caller(Some(token.clone()))
        .send(request())
        .await
        .unwrap_err();
    assert!(
        token
            .split('.')
            .all(|part| !format!("{status:?}").contains(part))
    );
}

#[tokio::test]
async fn a_caller_without_any_credential_hears_which_it_could_use() {
    let authority = start(&[]).await;
    let answer = authority.caller(None).send(request()).await;
    assert_refused(answer, Unauthenticated, &["client certificate", "Bearer"]);
}

#[tokio::test]
async fn the_certificate_of_another_trust_domain_is_refused() {
    let authority = start(&[]).await;
    let answer = authority
        .holder("spiffe://elsewhere/ns/default/sa/greeter")
        .send(request())
        .await;
    assert_refused(
        answer,
        Unauthenticated,
        &["elsewhere", "trust domain cluster.local"],
    );
}

#[tokio::test]
async fn an_expired_or_foreign_certificate_gets_no_connection_and_disturbs_nobody() {
    // A root old enough to have signed a certificate of one hour that has expired since.
    let authority = start_with_root_from(SystemTime::now() - 3 * HOUR, &[]).await;
    let expired = authority.certificate(GREETER, SystemTime::now() - 2 * HOUR);
    let foreign_root = Root::generate(
        &"cluster.local".parse().unwrap(),
        ca::root::LIFETIME,
        SystemTime::now(),
    )
    .unwrap();
    let foreign = certificate_of(&foreign_root, GREETER, SystemTime::now());
    let good = authority.certificate(GREETER, SystemTime::now() - HOUR / 2);
    let identity = async |certificate| {
        authority
            .caller_with(Some(certificate), None)
            .identity()
            .await
    };
    assert!(identity(expired).await.is_err());
    assert!(identity(foreign).await.is_err());
    assert_eq!(identity(good).await.unwrap(), GREETER);
}

#[tokio::test]
async fn another_identity_is_for_trusted_node_accounts_only() {
    let authority = start(&[
        "--trustedNodeAccounts",
        "istio-system/ztunnel,kube-system/node",
    ])
    .await;
    let ask = |id: &str| ca_api::IstioCertificateRequest {
        metadata: Some(impersonate(id)),
        ..request()
    };
    let stranger = authority
        .pod("default", "greeter")
        .send(ask("spiffe://cluster.local/ns/a/sa/b"))
        .await;
    assert_refused(
        stranger,
        PermissionDenied,
        &["default/sa/greeter", "--trustedNodeAccounts"],
    );
    let node = authority.pod("istio-system", "ztunnel");
    assert!(
        node.send(ask("spiffe://cluster.local/ns/a/sa/b"))
            .await
            .is_ok()
    );
    assert_refused(
        node.send(ask("a/b")).await,
        InvalidArgument,
        &["ImpersonatedIdentity", "spiffe://"],
    );
    let foreign = node.send(ask("spiffe://elsewhere/ns/a/sa/b")).await;
    assert_refused(foreign, PermissionDenied, &["elsewhere", "cluster.local"]);
}
