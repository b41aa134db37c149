#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use serde::Deserialize;
use serde_json::json;

use super::*;

#[test]
fn what_fits_is_typed_as_serde_json_types_it() {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "greeter",
            "creationTimestamp": "2024-01-02T03:04:05Z",
            "labels": {"app.kubernetes.io/name": "greeter"},
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:containers": {}}}}],
        },
        "spec": {
            "containers": [{
                "name": "app",
                "image": "greeter:1",
                "stdin": null,
                "ports": [{"containerPort": 50051, "name": "grpc"}],
                "resources": {"limits": {"cpu": 2, "memory": "64Mi"}},
                "readinessProbe": {"grpc": {"port": 50051}},
                "livenessProbe": {"tcpSocket": {"port": "grpc"}},
            }],
            "volumes": [{"name": "token", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            ]}}],
        },
        "status": {"podIP": "10.0.0.1", "phase": "Running"},
    });
    let (typed, unknown) = decode::<Pod>(&pod).unwrap();
    assert_eq!(typed, serde_json::from_value::<Pod>(pod).unwrap());
    assert!(unknown.paths.is_empty(), "{unknown:?}");

    let secret = json!({"metadata": {"name": "a"}, "data": {"key": "c2VjcmV0"}});
    let (typed, _) = decode::<Secret>(&secret).unwrap();
    assert_eq!(typed.data.unwrap()["key"].0, b"secret");
}

#[test]
fn unknown_fields_are_told_by_path_in_their_order_and_lose_nothing() {
    let service = json!({
        "metadata": {"name": "a", "0": {"b": 1}},
        "specs": null,
        "spec": {"ports": [{"port": 80}, {"port": 81, "targetport": 8080}], "type": "ClusterIP"},
    });
    let (typed, unknown) = decode::<Service>(&service).unwrap();
    assert_eq!(
        unknown.paths,
        ["metadata.0", "specs", "spec.ports[1].targetport"]
    );
    assert_eq!(unknown.more, 0);
    let spec = typed.spec.unwrap();
    assert_eq!(spec.type_.as_deref(), Some("ClusterIP"));
    assert_eq!(spec.ports.unwrap()[1].port, 81);
}

#[test]
fn of_very_many_unknown_fields_the_rest_is_counted() {
    let fields: serde_json::Map<_, _> = (0..MAX_UNKNOWN + 7)
        .map(|n| (format!("f{n}"), Value::Null))
        .collect();
    let (_, unknown) = decode::<Service>(&Value::Object(fields)).unwrap();
    assert_eq!(unknown.paths.len(), MAX_UNKNOWN);
    assert_eq!(unknown.more, 7);
}

#[test]
fn a_misfit_is_told_with_the_innermost_path_and_what_was_expected() {
    let cases = [
        (
            json!({"spec": {"ports": [{"port": 80}, {"port": "80"}]}}),
            "spec.ports[1].port",
            "invalid type: string \"80\", expected i32",
        ),
        (
            json!({"spec": {"ports": [{"port": 3_000_000_000_u32}]}}),
            "spec.ports[0].port",
            "invalid value: integer `3000000000`, expected i32",
        ),
        (
            json!({"spec": {"ports": {"port": 80}}}),
            "spec.ports",
            "invalid type: map, expected a sequence",
        ),
        (
            json!({"spec": [1]}),
            "spec",
            "invalid type: sequence, expected ServiceSpec",
        ),
        (
            json!({"metadata": {"labels": {"app.kubernetes.io/name": 1}}}),
            "metadata.labels.app.kubernetes.io/name",
            "invalid type: integer `1`, expected a string",
        ),
        (
            json!({"spec": {"ports": [{"port": 80, "targetPort": true}]}}),
            "spec.ports[0].targetPort",
            "invalid type: boolean `true`, expected IntOrString",
        ),
        (
            json!("text"),
            ".",
            "invalid type: string \"text\", expected Service",
        ),
    ];
    for (value, path, message) in cases {
        let misfit = decode::<Service>(&value).unwrap_err();
        assert_eq!(
            (misfit.path.as_str(), misfit.message.as_str()),
            (path, message)
        );
    }
}

#[test]
fn keys_are_numbers_or_names_where_the_type_wants_them() {
    #[derive(Debug, PartialEq, PartialOrd, Eq, Ord, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Protocol {
        Tcp,
        Udp,
    }
    let (ports, _) = decode::<BTreeMap<u16, bool>>(&json!({"80": true, "443": false})).unwrap();
    assert_eq!(ports, BTreeMap::from([(80, true), (443, false)]));
    let misfit = decode::<BTreeMap<u16, bool>>(&json!({"65536": true})).unwrap_err();
    assert_eq!(misfit.path, "65536");
    assert_eq!(
        misfit.message,
        "invalid value: string \"65536\", expected u16"
    );
    let (counts, _) = decode::<BTreeMap<Protocol, u8>>(&json!({"TCP": 1, "UDP": 2})).unwrap();
    assert_eq!(
        counts,
        BTreeMap::from([(Protocol::Tcp, 1), (Protocol::Udp, 2)])
    );
}

#[test]
fn tuples_need_all_their_items_and_no_more() {
    let (pair, _) = decode::<(u8, String)>(&json!([1, "a"])).unwrap();
    assert_eq!(pair, (1, "a".to_owned()));
    assert!(decode::<(u8, String)>(&json!([1, "a", 2])).is_err());
    assert!(decode::<(u8, String)>(&json!([1])).is_err());
}
