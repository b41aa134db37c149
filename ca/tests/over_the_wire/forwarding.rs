//! Callers behind a relay.

use std::time::SystemTime;

use tonic::Code::Unauthenticated;

use crate::harness::{assert_refused, claims, request, start};

const ISTIOD: &str = "spiffe://cluster.local/ns/istio-system/sa/istiod";
const GREETER: &str = "spiffe://cluster.local/ns/default/sa/greeter";
const TRUSTED: [&str; 2] = ["--trustedForwarders", ISTIOD];

#[tokio::test]
async fn a_trusted_forwarder_names_its_caller() {
    let authority = start(&TRUSTED).await;
    let mut relay = authority.holder(ISTIOD);
    relay.forwarded = Some(format!("By=spiffe://x;URI={GREETER}"));
    assert_eq!(relay.identity().await.unwrap(), GREETER);
}

#[tokio::test]
async fn a_trusted_forwarder_hands_on_its_callers_token() {
    let authority = start(&TRUSTED).await;
    let token = authority.signer.sign(&claims("default", "greeter"));
    let relay = authority.caller_with(
        Some(authority.certificate(ISTIOD, SystemTime::now())),
        Some(token),
    );
    assert_eq!(relay.identity().await.unwrap(), GREETER);
}

#[tokio::test]
async fn a_trusted_forwarder_that_forwards_nothing_asks_for_itself() {
    let authority = start(&TRUSTED).await;
    assert_eq!(authority.holder(ISTIOD).identity().await.unwrap(), ISTIOD);
}

#[tokio::test]
async fn the_header_of_anybody_else_counts_for_nothing() {
    let authority = start(&TRUSTED).await;
    for mut caller in [
        authority.holder(GREETER),
        authority.pod("default", "greeter"),
    ] {
        caller.forwarded = Some(format!("URI={ISTIOD}"));
        assert_eq!(caller.identity().await.unwrap(), GREETER);
    }
    let mut nobody = authority.caller(None);
    nobody.forwarded = Some(format!("URI={GREETER}"));
    assert_refused(
        nobody.send(request()).await,
        Unauthenticated,
        &["no credential"],
    );
    // A token says who somebody is, not that its holder relays: only the forwarder's certificate does.
    let mut token = authority.pod("istio-system", "istiod");
    token.forwarded = Some(format!("URI={GREETER}"));
    assert_eq!(token.identity().await.unwrap(), ISTIOD);
}

#[tokio::test]
async fn a_forwarded_caller_that_is_unclear_or_foreign_is_refused() {
    let authority = start(&TRUSTED).await;
    let mut relay = authority.holder(ISTIOD);
    for (header, said) in [
        (
            format!("URI={GREETER},URI={ISTIOD}"),
            "more than one element",
        ),
        ("Hash=ab".to_owned(), "no URI"),
        ("URI=spiffe://elsewhere/ns/a/sa/b".to_owned(), "elsewhere"),
    ] {
        relay.forwarded = Some(header);
        assert_refused(relay.send(request()).await, Unauthenticated, &[said]);
    }
}
