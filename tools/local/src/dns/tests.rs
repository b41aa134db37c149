#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use hickory_proto::op::Query;
use serde_json::json;

use super::*;

const DOMAIN: &str = "cluster.local";

fn view() -> View {
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"clusterIP": "10.96.1.2", "ports": [{"name": "grpc", "port": 50051}]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "default"},
            "spec": {"clusterIP": "None"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ext", "namespace": "default"},
            "spec": {"type": "ExternalName", "externalName": "Example.com."}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "db-x", "namespace": "default", "labels": {SERVICE_LABEL: "db"}},
            "endpoints": [
                {"addresses": ["10.244.0.5"], "conditions": {"ready": true},
                 "targetRef": {"name": "db-0", "namespace": "default"}},
                {"addresses": ["10.244.0.6"], "conditions": {"ready": false}},
                {"addresses": ["10.244.0.7"], "conditions": {"ready": true}}]}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "default"},
            "spec": {"hostname": "db-0", "subdomain": "db"}}),
    ]
    .into_iter()
    .collect()
}

fn ask(name: &str, kind: RecordType) -> (ResponseCode, Vec<String>) {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let response = answer(&query, &view(), DOMAIN).unwrap();
    assert_eq!(response.metadata.id, query.metadata.id);
    let mut data: Vec<String> = response
        .answers
        .iter()
        .map(|r| r.data.to_string())
        .collect();
    data.sort();
    (response.metadata.response_code, data)
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

#[test]
fn a_service_has_its_cluster_address_whatever_the_case_of_the_name() {
    let expected = (ResponseCode::NoError, owned(&["10.96.1.2"]));
    assert_eq!(
        ask("web.default.svc.cluster.local.", RecordType::A),
        expected
    );
    assert_eq!(
        ask("WEB.default.SVC.cluster.local.", RecordType::A),
        expected
    );
}

#[test]
fn a_service_without_ipv6_answers_aaaa_with_nothing_rather_than_no_such_name() {
    assert_eq!(
        ask("web.default.svc.cluster.local.", RecordType::AAAA),
        (ResponseCode::NoError, vec![])
    );
}

#[test]
fn a_headless_service_has_its_ready_pods_also_by_their_own_names() {
    assert_eq!(
        ask("db.default.svc.cluster.local.", RecordType::A).1,
        ["10.244.0.5", "10.244.0.7"]
    );
    assert_eq!(
        ask("db-0.db.default.svc.cluster.local.", RecordType::A).1,
        ["10.244.0.5"]
    );
    assert_eq!(
        ask("10-244-0-7.db.default.svc.cluster.local.", RecordType::A).1,
        ["10.244.0.7"]
    );
}

#[test]
fn named_ports_have_srv_records() {
    assert_eq!(
        ask("_grpc._tcp.web.default.svc.cluster.local.", RecordType::SRV).1,
        ["0 100 50051 web.default.svc.cluster.local"]
    );
}

#[test]
fn an_external_name_is_an_alias() {
    assert_eq!(
        ask("ext.default.svc.cluster.local.", RecordType::A).1,
        ["example.com"]
    );
}

#[test]
fn unknown_names_do_not_exist_and_those_between_do() {
    for name in [
        "nope.default.svc.cluster.local.",
        "web.default.svc.cluster.local.default.svc.cluster.local.",
        "example.com.",
        "xcluster.local.",
    ] {
        assert_eq!(ask(name, RecordType::A).0, ResponseCode::NXDomain, "{name}");
    }
    for name in [
        "cluster.local.",
        "svc.cluster.local.",
        "default.svc.cluster.local.",
    ] {
        assert_eq!(
            ask(name, RecordType::A),
            (ResponseCode::NoError, vec![]),
            "{name}"
        );
    }
}

#[test]
fn responses_and_odd_messages_do_not_get_an_answer_with_data() {
    assert!(answer(&Message::response(1, OpCode::Query), &view(), DOMAIN).is_none());
    let none = answer(&Message::query(), &view(), DOMAIN).unwrap();
    assert_eq!(none.metadata.response_code, ResponseCode::FormErr);
}
