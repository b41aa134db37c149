#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::HashMap;

use bytes::Bytes;
use envoy_types::pb::google::rpc::Status as RpcStatus;

use super::super::Status;
use super::*;

const CDS: TypeUrl = TypeUrl::Cluster;
const EDS: TypeUrl = TypeUrl::Endpoints;
const LDS: TypeUrl = TypeUrl::Listener;
const RDS: TypeUrl = TypeUrl::Route;

fn resource(type_url: TypeUrl, name: &str, body: &str) -> Arc<Resource> {
    Arc::new(Resource::new(
        type_url,
        name,
        Bytes::copy_from_slice(body.as_bytes()),
    ))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn subscribe(names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        resource_names_subscribe: strings(names),
        ..Default::default()
    }
}

fn unsubscribe(names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        resource_names_unsubscribe: strings(names),
        ..Default::default()
    }
}

fn ack(response: &DeltaResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        response_nonce: response.nonce.clone(),
        ..Default::default()
    }
}

fn nack(response: &DeltaResponse, why: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        error_detail: Some(RpcStatus {
            code: 13,
            message: why.to_owned(),
            details: vec![],
        }),
        ..ack(response)
    }
}

fn names(response: &DeltaResponse) -> Vec<&str> {
    response.resources.iter().map(|r| &*r.name).collect()
}

fn removed(response: &DeltaResponse) -> Vec<&str> {
    response.removed.iter().map(|name| &**name).collect()
}

fn status(session: &Session, type_url: TypeUrl, name: &str) -> Option<Status> {
    let report = session.types().report();
    let of_type = report.iter().find(|r| r.type_url == type_url.as_str())?;
    let of_name = of_type.resources.iter().find(|r| &*r.name == name)?;
    Some(of_name.status)
}

/// A session whose client has acked these clusters.
fn with_clusters(clusters: &[Arc<Resource>]) -> Session {
    let mut session = Session::default();
    session.on_request(CDS, &subscribe(&[])).unwrap();
    session.update(CDS, clusters);
    let response = session.next_response().unwrap();
    session.on_request(CDS, &ack(&response)).unwrap();
    session
}

#[test]
fn naming_nothing_at_first_means_all_clusters_and_listeners_but_no_routes() {
    let mut session = Session::default();
    assert!(
        session
            .on_request(CDS, &subscribe(&[]))
            .unwrap()
            .resubscribed
    );
    assert!(
        session
            .on_request(LDS, &subscribe(&["*"]))
            .unwrap()
            .resubscribed
    );
    assert!(
        !session
            .on_request(RDS, &subscribe(&[]))
            .unwrap()
            .resubscribed
    );
    let wild: Vec<_> = session
        .types()
        .subscriptions()
        .map(|(t, s)| (t, s.wildcard))
        .collect();
    assert_eq!(wild, [(CDS, true), (LDS, true)]);
}

#[test]
fn a_first_wildcard_is_answered_even_by_nothing() {
    let mut session = Session::default();
    session.on_request(CDS, &subscribe(&[])).unwrap();
    assert_eq!(session.next_response(), None, "nothing is known yet");
    session.update(CDS, &[]);
    let response = session.next_response().unwrap();
    assert_eq!((names(&response), removed(&response)), (vec![], vec![]));
    session.on_request(CDS, &ack(&response)).unwrap();
    session.update(CDS, &[]);
    assert_eq!(session.next_response(), None);
}

#[test]
fn only_what_changed_is_sent() {
    let (a, b) = (resource(CDS, "a", "1"), resource(CDS, "b", "1"));
    let mut session = with_clusters(&[a.clone(), b]);
    let b2 = resource(CDS, "b", "2");
    session.update(CDS, &[a, b2]);
    let response = session.next_response().unwrap();
    assert_eq!(names(&response), ["b"]);
    assert_eq!(status(&session, CDS, "b"), Some(Status::Sent));
    let outcome = session.on_request(CDS, &ack(&response)).unwrap();
    assert_eq!(outcome.answer, Answer::Acked);
    assert!(!outcome.resubscribed);
    assert_eq!(status(&session, CDS, "b"), Some(Status::Acked));
    assert_eq!(session.next_response(), None);
}

#[test]
fn one_response_is_outstanding_per_type_and_the_latest_state_wins() {
    let mut session = with_clusters(&[resource(CDS, "a", "1")]);
    session.update(CDS, &[resource(CDS, "a", "2")]);
    let second = session.next_response().unwrap();
    for body in ["3", "4", "5"] {
        session.update(CDS, &[resource(CDS, "a", body)]);
        assert_eq!(session.next_response(), None);
    }
    session.on_request(CDS, &ack(&second)).unwrap();
    let third = session.next_response().unwrap();
    assert_eq!(third.resources, [resource(CDS, "a", "5")]);
    session.on_request(CDS, &ack(&third)).unwrap();
    assert_eq!(session.next_response(), None);
}

#[test]
fn a_change_taken_back_before_it_was_sent_is_not_sent() {
    let mut session = with_clusters(&[resource(CDS, "a", "1")]);
    session.update(CDS, &[resource(CDS, "a", "2")]);
    session.update(CDS, &[resource(CDS, "a", "1")]);
    assert_eq!(session.next_response(), None);
}

#[test]
fn a_refused_resource_is_not_sent_again_and_its_neighbours_are_once() {
    let mut session = with_clusters(&[]);
    let bad = resource(CDS, "bad", "1");
    let good = resource(CDS, "good", "1");
    session.update(CDS, &[bad.clone(), good.clone()]);
    let response = session.next_response().unwrap();
    let why = "Error adding/updating cluster(s) bad: no such thing";
    let outcome = session.on_request(CDS, &nack(&response, why)).unwrap();
    assert_eq!(
        outcome.answer,
        Answer::Nacked {
            error: why.to_owned(),
            rejected: vec!["bad".into()]
        }
    );
    assert_eq!(status(&session, CDS, "bad"), Some(Status::Rejected));
    assert_eq!(status(&session, CDS, "good"), Some(Status::InDoubt));
    session.update(CDS, &[bad.clone(), good.clone()]);
    let again = session.next_response().unwrap();
    assert_eq!(names(&again), ["good"]);
    session.on_request(CDS, &ack(&again)).unwrap();
    assert_eq!(status(&session, CDS, "good"), Some(Status::Acked));
    session.update(CDS, &[bad, good.clone()]);
    assert_eq!(session.next_response(), None);
    assert_eq!(session.types().report()[0].error.as_deref(), Some(why));

    session.update(CDS, &[resource(CDS, "bad", "mended"), good]);
    let mended = session.next_response().unwrap();
    assert_eq!(names(&mended), ["bad"]);
    session.on_request(CDS, &ack(&mended)).unwrap();
    assert_eq!(session.types().report()[0].error, None);
}

#[test]
fn a_refusal_that_names_nothing_puts_all_in_doubt_and_resends_nothing() {
    let mut session = with_clusters(&[]);
    let both = [resource(CDS, "a", "1"), resource(CDS, "b", "1")];
    session.update(CDS, &both);
    let response = session.next_response().unwrap();
    session.on_request(CDS, &nack(&response, "no")).unwrap();
    assert_eq!(status(&session, CDS, "a"), Some(Status::InDoubt));
    session.update(CDS, &both);
    assert_eq!(session.next_response(), None);
}

#[test]
fn what_stays_in_doubt_after_a_second_try_is_left_alone() {
    let mut session = with_clusters(&[]);
    session.update(CDS, &[resource(CDS, "a", "1"), resource(CDS, "b", "1")]);
    let response = session.next_response().unwrap();
    session.on_request(CDS, &nack(&response, "a: no")).unwrap();
    let again = session.next_response().unwrap();
    assert_eq!(names(&again), ["b"]);
    session
        .on_request(CDS, &nack(&again, "a: still no"))
        .unwrap();
    assert_eq!(session.next_response(), None);
}

#[test]
fn an_answer_to_another_nonce_is_ignored_but_its_subscriptions_count() {
    let mut session = Session::default();
    session.on_request(EDS, &subscribe(&["a"])).unwrap();
    session.update(EDS, &[resource(EDS, "a", "1")]);
    let response = session.next_response().unwrap();
    let mut stale = subscribe(&["b"]);
    stale.response_nonce = "ff".into();
    stale.error_detail = Some(RpcStatus::default());
    let outcome = session.on_request(EDS, &stale).unwrap();
    assert_eq!(
        (outcome.answer, outcome.resubscribed),
        (Answer::Stale, true)
    );
    assert_eq!(status(&session, EDS, "a"), Some(Status::Sent));
    session.on_request(EDS, &ack(&response)).unwrap();
    session.update(EDS, &[resource(EDS, "a", "1"), resource(EDS, "b", "1")]);
    assert_eq!(names(&session.next_response().unwrap()), ["b"]);
}

#[test]
fn a_name_that_does_not_exist_is_said_to_be_absent_once_and_sent_when_it_appears() {
    let mut session = Session::default();
    session.on_request(EDS, &subscribe(&["a"])).unwrap();
    session.update(EDS, &[]);
    let response = session.next_response().unwrap();
    assert_eq!(removed(&response), ["a"]);
    session.on_request(EDS, &ack(&response)).unwrap();
    session.update(EDS, &[]);
    assert_eq!(session.next_response(), None);
    session.update(EDS, &[resource(EDS, "a", "1")]);
    assert_eq!(names(&session.next_response().unwrap()), ["a"]);
}

#[test]
fn a_name_asked_for_again_is_sent_again() {
    let mut session = Session::default();
    let a = [resource(EDS, "a", "1")];
    session.on_request(EDS, &subscribe(&["a"])).unwrap();
    session.update(EDS, &a);
    let response = session.next_response().unwrap();
    session.on_request(EDS, &ack(&response)).unwrap();
    assert!(
        session
            .on_request(EDS, &subscribe(&["a"]))
            .unwrap()
            .resubscribed
    );
    session.update(EDS, &a);
    assert_eq!(names(&session.next_response().unwrap()), ["a"]);
}

#[test]
fn an_unsubscribed_name_is_neither_sent_nor_removed() {
    let mut session = Session::default();
    session.on_request(EDS, &subscribe(&["a", "b"])).unwrap();
    session.update(EDS, &[resource(EDS, "a", "1"), resource(EDS, "b", "1")]);
    let response = session.next_response().unwrap();
    session.on_request(EDS, &ack(&response)).unwrap();
    session.on_request(EDS, &unsubscribe(&["a"])).unwrap();
    session.update(EDS, &[resource(EDS, "a", "2"), resource(EDS, "b", "1")]);
    assert_eq!(session.next_response(), None);
    assert_eq!(status(&session, EDS, "a"), None);
}

#[test]
fn a_name_left_to_the_wildcard_is_told_of_again() {
    let mut session = Session::default();
    session
        .on_request(CDS, &subscribe(&["*", "a", "b"]))
        .unwrap();
    let a = resource(CDS, "a", "1");
    session.update(CDS, &[a.clone(), resource(CDS, "b", "1")]);
    let response = session.next_response().unwrap();
    session.on_request(CDS, &ack(&response)).unwrap();
    session.on_request(CDS, &unsubscribe(&["a", "b"])).unwrap();
    session.update(CDS, std::slice::from_ref(&a));
    let response = session.next_response().unwrap();
    assert_eq!(names(&response), ["a"]);
    session.on_request(CDS, &ack(&response)).unwrap();
    assert_eq!(removed(&session.next_response().unwrap()), ["b"]);
}

#[test]
fn giving_up_the_wildcard_keeps_the_names() {
    let mut session = Session::default();
    session.on_request(CDS, &subscribe(&["*", "a"])).unwrap();
    session.update(CDS, &[resource(CDS, "a", "1"), resource(CDS, "b", "1")]);
    let response = session.next_response().unwrap();
    session.on_request(CDS, &ack(&response)).unwrap();
    session.on_request(CDS, &unsubscribe(&["*"])).unwrap();
    session.update(CDS, &[resource(CDS, "a", "1"), resource(CDS, "b", "2")]);
    assert_eq!(session.next_response(), None);
}

#[test]
fn a_client_that_reconnects_gets_only_differences() {
    let (same, old) = (resource(CDS, "same", "1"), resource(CDS, "changed", "1"));
    let mut request = subscribe(&["*"]);
    request.initial_resource_versions = HashMap::from([
        ("same".to_owned(), same.version.to_string()),
        ("changed".to_owned(), old.version.to_string()),
        ("gone".to_owned(), old.version.to_string()),
        ("foreign".to_owned(), "2026-01-01T00:00:00Z/7".to_owned()),
    ]);
    let mut session = Session::default();
    session.on_request(CDS, &request).unwrap();
    session.update(
        CDS,
        &[
            same,
            resource(CDS, "changed", "2"),
            resource(CDS, "foreign", "1"),
        ],
    );
    let response = session.next_response().unwrap();
    assert_eq!(names(&response), ["changed", "foreign"]);
    session.on_request(CDS, &ack(&response)).unwrap();
    assert_eq!(
        session.next_response(),
        None,
        "its routes are not known yet"
    );
    session.introduced();
    assert_eq!(removed(&session.next_response().unwrap()), ["gone"]);
}

#[test]
fn a_client_that_reconnects_and_lacks_nothing_gets_nothing() {
    let a = resource(CDS, "a", "1");
    let mut request = subscribe(&["*"]);
    request.initial_resource_versions = HashMap::from([("a".to_owned(), a.version.to_string())]);
    let mut session = Session::default();
    session.on_request(CDS, &request).unwrap();
    session.update(CDS, &[a]);
    session.introduced();
    assert_eq!(session.next_response(), None);
}

#[test]
fn clusters_come_before_the_routes_that_use_them_and_leave_after() {
    let mut session = Session::default();
    session.on_request(RDS, &subscribe(&["80"])).unwrap();
    session.on_request(LDS, &subscribe(&["*"])).unwrap();
    session.on_request(EDS, &subscribe(&["old"])).unwrap();
    session.on_request(CDS, &subscribe(&["*"])).unwrap();
    let listener = [resource(LDS, "0.0.0.0_80", "80")];
    session.update(CDS, &[resource(CDS, "old", "1")]);
    session.update(EDS, &[resource(EDS, "old", "1")]);
    session.update(LDS, &listener);
    session.update(RDS, &[resource(RDS, "80", "to old")]);
    let clusters = session.next_response().unwrap();
    let endpoints = session.next_response().unwrap();
    assert_eq!((clusters.type_url, endpoints.type_url), (CDS, EDS));
    assert_eq!(session.next_response(), None, "clusters are on their way");
    session.on_request(CDS, &ack(&clusters)).unwrap();
    session.on_request(EDS, &ack(&endpoints)).unwrap();
    let listeners = session.next_response().unwrap();
    let routes = session.next_response().unwrap();
    assert_eq!((listeners.type_url, routes.type_url), (LDS, RDS));
    session.on_request(LDS, &ack(&listeners)).unwrap();
    session.on_request(RDS, &ack(&routes)).unwrap();

    session.update(RDS, &[resource(RDS, "80", "to new")]);
    session.update(CDS, &[resource(CDS, "new", "1")]);
    let clusters = session.next_response().unwrap();
    assert_eq!(
        (names(&clusters), removed(&clusters)),
        (vec!["new"], vec![])
    );
    assert_eq!(session.next_response(), None);
    session.on_request(CDS, &ack(&clusters)).unwrap();
    let routes = session.next_response().unwrap();
    assert_eq!(names(&routes), ["80"]);
    assert_eq!(session.next_response(), None, "the old route may be used");
    session.on_request(RDS, &ack(&routes)).unwrap();
    let last = session.next_response().unwrap();
    assert_eq!(removed(&last), ["old"]);
}

#[test]
fn a_refused_route_keeps_the_clusters_of_the_one_before_it() {
    let mut session = with_clusters(&[resource(CDS, "old", "1")]);
    session.on_request(RDS, &subscribe(&["80"])).unwrap();
    session.update(RDS, &[resource(RDS, "80", "to old")]);
    let response = session.next_response().unwrap();
    session.on_request(RDS, &ack(&response)).unwrap();

    session.update(CDS, &[]);
    session.update(RDS, &[resource(RDS, "80", "broken")]);
    let broken = session.next_response().unwrap();
    session
        .on_request(RDS, &nack(&broken, "80: broken"))
        .unwrap();
    assert_eq!(session.next_response(), None);

    session.update(RDS, &[resource(RDS, "80", "mended")]);
    let mended = session.next_response().unwrap();
    session.on_request(RDS, &ack(&mended)).unwrap();
    assert_eq!(removed(&session.next_response().unwrap()), ["old"]);
}

#[test]
fn a_cluster_in_a_new_form_gets_its_endpoints_again() {
    let endpoints = [resource(EDS, "a", "1")];
    let mut session = with_clusters(&[resource(CDS, "a", "1")]);
    session.on_request(EDS, &subscribe(&["a"])).unwrap();
    session.update(EDS, &endpoints);
    let response = session.next_response().unwrap();
    session.on_request(EDS, &ack(&response)).unwrap();

    session.update(CDS, &[resource(CDS, "a", "2")]);
    assert_eq!(session.next_response().unwrap().type_url, CDS);
    assert!(session.types().stale().map(|(t, _)| t).eq([EDS]));
    session.update(EDS, &endpoints);
    let again = session.next_response().unwrap();
    assert_eq!((again.type_url, names(&again)), (EDS, vec!["a"]));
}

#[test]
fn an_endpoint_change_touches_endpoints_alone() {
    let mut session = with_clusters(&[resource(CDS, "a", "1")]);
    session.on_request(EDS, &subscribe(&["a"])).unwrap();
    session.update(EDS, &[resource(EDS, "a", "1")]);
    let response = session.next_response().unwrap();
    session.on_request(EDS, &ack(&response)).unwrap();
    session.update(CDS, &[resource(CDS, "a", "1")]);
    session.update(EDS, &[resource(EDS, "a", "2")]);
    assert_eq!(session.next_response().unwrap().type_url, EDS);
    assert_eq!(session.next_response(), None);
    assert_eq!(session.types().stale().count(), 0);
}

#[test]
fn a_large_state_leaves_in_several_responses() {
    let body = "x".repeat(MAX_RESPONSE / 2);
    let many: Vec<_> = (0..4)
        .map(|i| resource(CDS, &format!("c{i}"), &body))
        .collect();
    let mut session = Session::default();
    session.on_request(CDS, &subscribe(&[])).unwrap();
    session.update(CDS, &many);
    let mut seen = 0;
    while let Some(response) = session.next_response() {
        assert_eq!(response.resources.len(), 1);
        seen += 1;
        session.on_request(CDS, &ack(&response)).unwrap();
    }
    assert_eq!(seen, 4);
}

#[test]
fn names_without_bound_are_refused_and_change_nothing() {
    let mut session = Session::default();
    let many: Vec<String> = (0..=limits::MAX_NAMES).map(|i| i.to_string()).collect();
    let mut request = subscribe(&[]);
    request.resource_names_subscribe = many;
    assert!(matches!(
        session.on_request(EDS, &request),
        Err(LimitExceeded::Names { .. })
    ));
    let long = "x".repeat(limits::MAX_NAME + 1);
    assert!(matches!(
        session.on_request(EDS, &subscribe(&[&long])),
        Err(LimitExceeded::Name { .. })
    ));
    assert_eq!(session.types().subscriptions().count(), 0);
}
