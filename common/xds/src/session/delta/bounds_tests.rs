//! What a client can repeat without end leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;
use envoy_types::pb::google::rpc::Status as RpcStatus;

use super::*;

const CDS: TypeUrl = TypeUrl::Cluster;

fn cluster(name: &str, body: &str) -> Arc<Resource> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Arc::new(Resource::new(CDS, name, body))
}

fn subscribe(name: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        resource_names_subscribe: vec![name.to_owned()],
        ..Default::default()
    }
}

fn unsubscribe(name: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        resource_names_unsubscribe: vec![name.to_owned()],
        ..Default::default()
    }
}

fn ack(response: &DeltaResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        response_nonce: response.nonce.clone(),
        ..Default::default()
    }
}

/// Asks, gets everything that is due for it, and acks.
fn exchange(session: &mut Session, request: &DeltaDiscoveryRequest, clusters: &[Arc<Resource>]) {
    session.on_request(CDS, request).unwrap();
    session.update(CDS, clusters);
    while let Some(response) = session.next_response() {
        session.on_request(CDS, &ack(&response)).unwrap();
    }
}

#[test]
fn a_client_of_clusters_alone_is_remembered_by_the_clusters_that_it_has() {
    let mut session = Session::default();
    let clusters = [cluster("a", "1"), cluster("b", "1")];
    for _ in 0..5 {
        exchange(&mut session, &subscribe("*"), &clusters);
    }
    assert_eq!(session.clusters_before_endpoints.len(), 2);
    exchange(&mut session, &subscribe("*"), &clusters[1..]);
    let left: Vec<&str> = session
        .clusters_before_endpoints
        .iter()
        .map(|name| &**name)
        .collect();
    assert_eq!(left, ["b"]);
}

#[test]
fn names_that_are_gone_are_forgotten_although_they_were_sent_again() {
    let mut session = Session::default();
    exchange(&mut session, &subscribe("*"), &[cluster("a", "0")]);
    for round in ["1", "2", "3"] {
        let changed = [cluster("a", round)];
        session.on_request(CDS, &subscribe(round)).unwrap();
        session.update(CDS, &changed);
        let response = session.next_response().unwrap();
        let refusal = DeltaDiscoveryRequest {
            error_detail: Some(RpcStatus {
                code: 13,
                message: "a: no".to_owned(),
                details: vec![],
            }),
            ..ack(&response)
        };
        session.on_request(CDS, &refusal).unwrap();
        assert_eq!(
            session.types.states[&CDS].differences.sent_again.len(),
            1,
            "round {round}"
        );
        exchange(&mut session, &unsubscribe(round), &changed);
        assert_eq!(
            session.types.states[&CDS].differences.sent_again.len(),
            0,
            "round {round}"
        );
    }
}

#[test]
fn names_are_bounded_by_their_bytes_and_those_given_up_make_room() {
    let mut session = Session::default();
    let many = |from: usize| -> Vec<String> {
        let count = limits::MAX_NAME_BYTES / limits::MAX_NAME;
        (from..from + count).map(|i| format!("{i:01024}")).collect()
    };
    let ask = |names: Vec<String>| DeltaDiscoveryRequest {
        resource_names_subscribe: names,
        ..Default::default()
    };
    session.on_request(CDS, &ask(many(0))).unwrap();
    session.on_request(CDS, &ask(many(0))).unwrap();
    let refused = session.on_request(CDS, &ask(vec!["one more".to_owned()]));
    assert!(matches!(refused, Err(LimitExceeded::NameBytes { .. })));
    let given_up = DeltaDiscoveryRequest {
        resource_names_unsubscribe: many(0),
        ..Default::default()
    };
    session.on_request(CDS, &given_up).unwrap();
    session.on_request(CDS, &ask(many(1_000_000))).unwrap();
}
