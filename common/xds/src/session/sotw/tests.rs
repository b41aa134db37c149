#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

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

fn request(names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        response_nonce: nonce.to_owned(),
        ..Default::default()
    }
}

fn nack(names: &[&str], response: &SotwResponse, why: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        error_detail: Some(RpcStatus {
            code: 3,
            message: why.to_owned(),
            details: vec![],
        }),
        ..request(names, &response.nonce)
    }
}

fn subscription(session: &Session, type_url: TypeUrl) -> &Subscription {
    &session.types.states[&type_url].subscription
}

fn names(response: &SotwResponse) -> Vec<&str> {
    response.resources.iter().map(|r| &*r.name).collect()
}

fn with(type_url: TypeUrl, asked: &[&str], state: &[Arc<Resource>]) -> (Session, SotwResponse) {
    let mut session = Session::default();
    session.on_request(type_url, &request(asked, "")).unwrap();
    session.update(type_url, state);
    let response = session.next_response().unwrap();
    let outcome = session
        .on_request(type_url, &request(asked, &response.nonce))
        .unwrap();
    assert_eq!(outcome.answer, Answer::Acked);
    assert!(!outcome.resubscribed);
    (session, response)
}

#[test]
fn a_change_of_one_cluster_sends_them_all() {
    let (mut session, first) = with(
        CDS,
        &[],
        &[resource(CDS, "a", "1"), resource(CDS, "b", "1")],
    );
    assert_eq!(names(&first), ["a", "b"]);
    session.update(CDS, &[resource(CDS, "a", "2"), resource(CDS, "b", "1")]);
    let second = session.next_response().unwrap();
    assert_eq!(names(&second), ["a", "b"]);
    assert_ne!(first.version, second.version);
    assert_eq!(session.next_response(), None);
}

#[test]
fn a_change_of_endpoints_sends_those_alone() {
    let asked = ["a", "b"];
    let b = resource(EDS, "b", "1");
    let (mut session, _) = with(EDS, &asked, &[resource(EDS, "a", "1"), b.clone()]);
    session.update(EDS, &[resource(EDS, "a", "2"), b]);
    assert_eq!(names(&session.next_response().unwrap()), ["a"]);
}

#[test]
fn nothing_new_is_not_sent() {
    let a = [resource(LDS, "a", "1")];
    let (mut session, _) = with(LDS, &[], &a);
    session.update(LDS, &a);
    assert_eq!(session.next_response(), None);
}

#[test]
fn an_empty_world_is_answered() {
    let (mut session, response) = with(CDS, &[], &[]);
    assert_eq!(names(&response), [""; 0]);
    session.update(CDS, &[]);
    assert_eq!(session.next_response(), None);
}

#[test]
fn a_new_name_brings_its_resource_and_a_dropped_one_is_forgotten() {
    let state = [resource(EDS, "a", "1"), resource(EDS, "b", "1")];
    let (mut session, first) = with(EDS, &["a"], &state);
    assert_eq!(names(&first), ["a"]);
    let more = request(&["a", "b"], &first.nonce);
    assert!(session.on_request(EDS, &more).unwrap().resubscribed);
    session.update(EDS, &state);
    let second = session.next_response().unwrap();
    assert_eq!(names(&second), ["b"]);
    session
        .on_request(EDS, &request(&["b"], &second.nonce))
        .unwrap();
    session.update(EDS, &state);
    assert_eq!(session.next_response(), None);
}

#[test]
fn a_request_with_a_stale_nonce_is_ignored_whole() {
    let (mut session, first) = with(EDS, &["a"], &[resource(EDS, "a", "1")]);
    session.update(EDS, &[resource(EDS, "a", "2")]);
    let second = session.next_response().unwrap();
    let outcome = session
        .on_request(EDS, &request(&["a", "b"], &first.nonce))
        .unwrap();
    assert_eq!(
        (outcome.answer, outcome.resubscribed),
        (Answer::Stale, false)
    );
    assert_eq!(subscription(&session, EDS).names.len(), 1);
    let outcome = session
        .on_request(EDS, &request(&["a", "b"], &second.nonce))
        .unwrap();
    assert_eq!(
        (outcome.answer, outcome.resubscribed),
        (Answer::Acked, true)
    );
}

#[test]
fn a_refused_state_is_not_sent_again_until_it_changes() {
    let (mut session, _) = with(CDS, &[], &[resource(CDS, "a", "1")]);
    let broken = [resource(CDS, "a", "broken"), resource(CDS, "b", "1")];
    session.update(CDS, &broken);
    let response = session.next_response().unwrap();
    session
        .on_request(CDS, &nack(&[], &response, "cluster a: broken"))
        .unwrap();
    let report = session.types().report();
    let statuses: Vec<_> = report[0].resources.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Status::Rejected, Status::InDoubt]);
    assert_eq!(report[0].nonce_nacked, Some(response.nonce));
    session.update(CDS, &broken);
    assert_eq!(session.next_response(), None);
    session.update(CDS, &[resource(CDS, "a", "2"), resource(CDS, "b", "1")]);
    assert_eq!(names(&session.next_response().unwrap()), ["a", "b"]);
}

#[test]
fn a_cluster_stays_in_the_state_until_the_routes_have_left_it() {
    let (mut session, _) = with(CDS, &[], &[resource(CDS, "old", "1")]);
    session.on_request(RDS, &request(&["80"], "")).unwrap();
    session.update(RDS, &[resource(RDS, "80", "to old")]);
    let routes = session.next_response().unwrap();
    session
        .on_request(RDS, &request(&["80"], &routes.nonce))
        .unwrap();

    session.update(CDS, &[resource(CDS, "new", "1")]);
    session.update(RDS, &[resource(RDS, "80", "to new")]);
    let both = session.next_response().unwrap();
    assert_eq!(names(&both), ["new", "old"]);
    assert_eq!(session.next_response(), None);
    session.on_request(CDS, &request(&[], &both.nonce)).unwrap();
    let routes = session.next_response().unwrap();
    assert_eq!(session.next_response(), None);
    session
        .on_request(RDS, &request(&["80"], &routes.nonce))
        .unwrap();
    assert_eq!(names(&session.next_response().unwrap()), ["new"]);
}

#[test]
fn a_cluster_in_a_new_form_gets_its_endpoints_again() {
    let endpoints = [resource(EDS, "a", "1")];
    let (mut session, _) = with(CDS, &[], &[resource(CDS, "a", "1")]);
    session.on_request(EDS, &request(&["a"], "")).unwrap();
    session.update(EDS, &endpoints);
    let response = session.next_response().unwrap();
    session
        .on_request(EDS, &request(&["a"], &response.nonce))
        .unwrap();
    session.update(CDS, &[resource(CDS, "a", "2")]);
    assert_eq!(session.next_response().unwrap().type_url, CDS);
    assert!(session.types().stale().map(|(t, _)| t).eq([EDS]));
    session.update(EDS, &endpoints);
    assert_eq!(names(&session.next_response().unwrap()), ["a"]);
}

#[test]
fn listeners_asked_for_by_name_are_not_a_wildcard() {
    let state = [resource(LDS, "svc:80", "1"), resource(LDS, "other:80", "1")];
    let (mut session, response) = with(LDS, &["svc:80"], &state);
    assert_eq!(names(&response), ["svc:80"]);
    let none = request(&[], &response.nonce);
    session.on_request(LDS, &none).unwrap();
    assert!(subscription(&session, LDS).is_empty());
}
