//! A small mesh to translate: the demo application's manifests with three pods.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use prost::Message;
use resources::mesh_config::MeshConfig;
use resources::object::Object;
use translate::{Change, Proxy, Settings, Snapshot, Subscription, Translator};
use xds::{Resource, TypeUrl};

pub(crate) const DEMO: &str = include_str!("../testdata/deployment-istio.yaml");
pub(crate) const MESH: &str = include_str!("../testdata/istio-mesh.yaml");
pub(crate) const HOST: &str = "k8s-combat-service.default.svc.cluster.local";
pub(crate) const MESH_HOST: &str = "k8s-combat-service-istio-mesh.default.svc.cluster.local";

/// The changes that bring the objects of a YAML text.
pub(crate) fn objects(text: &str) -> Vec<Change> {
    let loaded = resources::yaml::load(text, "test.yaml");
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    loaded
        .objects
        .iter()
        .map(|raw| Change::Upsert(Box::new(Object::parse(raw).unwrap().0)))
        .collect()
}

/// A pod as the API server shows it, with its labels as JSON.
pub(crate) fn pod(name: &str, ip: &str, labels: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "namespace": "default", "labels": {labels}}},
  "spec": {{"serviceAccountName": "default", "containers": [{{"name": "app", "ports": [{{"name": "grpc", "containerPort": 50051}}]}}]}},
  "status": {{"phase": "Running", "podIP": "{ip}"}}}}"#
    )
}

/// A slice of the service's endpoints: address and readiness of each.
pub(crate) fn slice(service: &str, endpoints: &[(&str, bool)]) -> String {
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|(ip, ready)| {
            format!(r#"{{"addresses": ["{ip}"], "conditions": {{"ready": {ready}}}}}"#)
        })
        .collect();
    format!(
        r#"{{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
  "metadata": {{"name": "{service}-1", "namespace": "default", "labels": {{"kubernetes.io/service-name": "{service}"}}}},
  "ports": [{{"name": "app", "port": 8081}}, {{"name": "grpc", "port": 50051}}],
  "endpoints": [{}]}}"#,
        endpoints.join(",")
    )
}

pub(crate) const MESH_LABELS: &str =
    r#"{"app": "k8s-combat-service", "security.istio.io/tlsMode": "istio"}"#;

/// The article's deployment with its service's address and three pods, access log on.
pub(crate) fn demo() -> Snapshot {
    let demo = DEMO.replace("type: ClusterIP", "clusterIP: 10.101.204.13");
    let mut changes = objects(&demo);
    for n in 8..=10 {
        changes.extend(objects(&pod(
            &format!("k8s-combat-service-{n}"),
            &format!("172.17.0.{n}"),
            MESH_LABELS,
        )));
    }
    changes.extend(objects(&slice(
        "k8s-combat-service",
        &[
            ("172.17.0.8", true),
            ("172.17.0.9", true),
            ("172.17.0.10", true),
        ],
    )));
    let mesh = MeshConfig {
        access_log_file: "/dev/stdout".to_owned(),
        ..Default::default()
    };
    changes.push(Change::Mesh(Box::new(mesh)));
    Snapshot::new(Settings::default()).with(&changes)
}

/// The same with istio-mesh.yaml, a pod for each version.
pub(crate) fn routed() -> Snapshot {
    let mesh = MESH.replace("type: ClusterIP", "clusterIP: 10.101.204.14");
    let mut changes = objects(&mesh);
    for n in 1..=2 {
        let labels = format!(
            r#"{{"app": "k8s-combat-service-v{n}", "appId": "12345", "security.istio.io/tlsMode": "istio"}}"#
        );
        changes.extend(objects(&pod(
            &format!("k8s-combat-service-v{n}"),
            &format!("172.17.1.{n}"),
            &labels,
        )));
    }
    changes.extend(objects(&slice(
        "k8s-combat-service-istio-mesh",
        &[("172.17.1.1", true), ("172.17.1.2", true)],
    )));
    demo().with(&changes)
}

pub(crate) fn text(value: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(value.to_owned())),
    }
}

pub(crate) fn node(id: &str, metadata: &[(&str, Value)]) -> Node {
    let fields = metadata
        .iter()
        .map(|(k, v)| ((*k).to_owned(), v.clone()))
        .collect();
    Node {
        id: id.to_owned(),
        metadata: Some(Struct { fields }),
        ..Default::default()
    }
}

pub(crate) fn list(items: &[&str]) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue {
            values: items.iter().map(|i| text(i)).collect(),
        })),
    }
}

/// The sidecar of the n-th demo pod.
pub(crate) fn sidecar(n: u8) -> Proxy {
    let id =
        format!("sidecar~172.17.0.{n}~k8s-combat-service-{n}.default~default.svc.cluster.local");
    Proxy::from_node(&node(&id, &[])).unwrap()
}

/// A gRPC library in the namespace `default`.
pub(crate) fn grpc_client() -> Proxy {
    let id = "sidecar~172.17.0.99~client.default~default.svc.cluster.local";
    Proxy::from_node(&node(id, &[("GENERATOR", text("grpc"))])).unwrap()
}

pub(crate) fn wildcard(
    translator: &Translator,
    snapshot: &Snapshot,
    proxy: &Proxy,
    kind: TypeUrl,
) -> Vec<Arc<Resource>> {
    translator.resources(
        &Arc::new(snapshot.clone()),
        proxy,
        kind,
        Subscription::Wildcard,
    )
}

pub(crate) fn named(
    translator: &Translator,
    snapshot: &Snapshot,
    proxy: &Proxy,
    kind: TypeUrl,
    names: &[&str],
) -> Vec<Arc<Resource>> {
    let names: Vec<Arc<str>> = names.iter().map(|n| Arc::from(*n)).collect();
    translator.resources(
        &Arc::new(snapshot.clone()),
        proxy,
        kind,
        Subscription::Names(&names),
    )
}

/// One resource of a fresh translator, decoded.
pub(crate) fn one<M: Message + Default>(
    snapshot: &Snapshot,
    proxy: &Proxy,
    kind: TypeUrl,
    name: &str,
) -> Option<M> {
    let found = named(&Translator::new(), snapshot, proxy, kind, &[name]);
    found.first().map(|r| M::decode(r.body.clone()).unwrap())
}
