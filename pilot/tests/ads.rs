//! The plaintext port over the wire: a client of the generated types speaks both variants of the
//! protocol with a pilot that serves the k8s-combat service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use mesh::{GREETER, PATIENCE, Pilot};
use pilot::request::{RequestArgs, RequestError};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use xds::TypeUrl;

const GRPC: &str = "outbound|50051||k8s-combat-service.default.svc.cluster.local";
const HTTP: &str = "outbound|8081||k8s-combat-service.default.svc.cluster.local";

fn node(id: &str) -> Option<Node> {
    Some(Node {
        id: id.to_owned(),
        ..Node::default()
    })
}

fn sidecar() -> Option<Node> {
    node("sidecar~127.0.0.11~k8s-combat-service-a.default~default.svc.cluster.local")
}

async fn client(pilot: &Pilot) -> AggregatedDiscoveryServiceClient<Channel> {
    let address = format!("http://127.0.0.1:{}", pilot.grpc);
    AggregatedDiscoveryServiceClient::connect(address)
        .await
        .unwrap()
}

struct Stream<Req, Res> {
    requests: mpsc::Sender<Req>,
    responses: Streaming<Res>,
}

type Delta = Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
type Sotw = Stream<DiscoveryRequest, DiscoveryResponse>;

impl<Req, Res> Stream<Req, Res> {
    async fn send(&self, request: Req) {
        self.requests.send(request).await.unwrap();
    }

    async fn next(&mut self) -> Result<Option<Res>, Status> {
        tokio::time::timeout(PATIENCE, self.responses.message())
            .await
            .expect("no response came")
    }

    async fn response(&mut self) -> Res {
        self.next().await.unwrap().unwrap()
    }
}

async fn delta(pilot: &Pilot, first: DeltaDiscoveryRequest) -> Delta {
    let (requests, receiver) = mpsc::channel(16);
    requests.send(first).await.unwrap();
    let responses = client(pilot)
        .await
        .delta_aggregated_resources(ReceiverStream::new(receiver))
        .await
        .unwrap()
        .into_inner();
    Stream {
        requests,
        responses,
    }
}

async fn sotw(pilot: &Pilot, first: DiscoveryRequest) -> Sotw {
    let (requests, receiver) = mpsc::channel(16);
    requests.send(first).await.unwrap();
    let responses = client(pilot)
        .await
        .stream_aggregated_resources(ReceiverStream::new(receiver))
        .await
        .unwrap()
        .into_inner();
    Stream {
        requests,
        responses,
    }
}

fn subscribe(type_url: TypeUrl, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: sidecar(),
        type_url: type_url.as_str().to_owned(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

fn ack(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..Default::default()
    }
}

fn names(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    response.resources.iter().map(|r| r.name.as_str()).collect()
}

fn addresses(assignment: &[u8]) -> Vec<String> {
    let assignment = ClusterLoadAssignment::decode(assignment).unwrap();
    let json = format!("{assignment:?}");
    ["127.0.0.11", "127.0.0.12"]
        .into_iter()
        .filter(|address| json.contains(address))
        .map(str::to_owned)
        .collect()
}

/// The configuration without the second endpoint.
fn one_endpoint() -> String {
    let end = GREETER.find("  - addresses: [127.0.0.12]").unwrap();
    GREETER[..end].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_sends_the_world_then_only_what_changed() {
    let pilot = Pilot::start(GREETER).await;
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    let clusters = stream.response().await;
    for name in [GRPC, HTTP, "PassthroughCluster", "BlackHoleCluster"] {
        assert!(
            names(&clusters).contains(&name),
            "{name} of {:?}",
            names(&clusters)
        );
    }
    stream.send(ack(&clusters)).await;
    stream.send(subscribe(TypeUrl::Endpoints, &[GRPC])).await;
    let endpoints = stream.response().await;
    assert_eq!(names(&endpoints), [GRPC]);
    let any = endpoints.resources[0].resource.as_ref().unwrap();
    assert_eq!(addresses(&any.value), ["127.0.0.11", "127.0.0.12"]);
    stream.send(ack(&endpoints)).await;
    stream.send(subscribe(TypeUrl::Listener, &["*"])).await;
    let listeners = stream.response().await;
    assert!(names(&listeners).contains(&"virtualOutbound"));
    stream.send(ack(&listeners)).await;

    pilot.write("mesh.yaml", &one_endpoint());
    let change = stream.response().await;
    assert_eq!(
        change.type_url,
        TypeUrl::Endpoints.as_str(),
        "endpoints alone"
    );
    let any = change.resources[0].resource.as_ref().unwrap();
    assert_eq!(addresses(&any.value), ["127.0.0.11"]);
    stream.send(ack(&change)).await;
    let metrics = mesh::get(pilot.monitoring, "/metrics").await.unwrap();
    assert!(
        metrics.contains("pilot_proxy_queue_time_count"),
        "{metrics}"
    );
    let registry = pilot.page("/debug/registryz", |_| true).await;
    assert_eq!(
        registry[0]["hostname"],
        "k8s-combat-service.default.svc.cluster.local"
    );
    assert_eq!(registry[0]["endpoints"], 1);
    let shards = pilot.page("/debug/endpointShardz", |_| true).await;
    let host = &shards["k8s-combat-service.default.svc.cluster.local"]["default"];
    let endpoints = host["Shards"]["Kubernetes/Kubernetes"].as_array().unwrap();
    let grpc = endpoints
        .iter()
        .find(|e| e["ServicePortName"] == "grpc")
        .unwrap();
    assert_eq!(grpc["Addresses"], serde_json::json!(["127.0.0.11"]));
    assert_eq!(
        (&grpc["EndpointPort"], &grpc["HealthStatus"]),
        (&50051.into(), &1.into())
    );
    assert_eq!(grpc["Namespace"], "default");

    pilot
        .page("/debug/syncz", |page| {
            let types = page[0]["types"].as_array();
            let resources = types
                .into_iter()
                .flatten()
                .flat_map(|t| t["resources"].as_array().cloned().unwrap_or_default());
            let statuses: Vec<_> = resources.map(|r| r["status"].clone()).collect();
            !statuses.is_empty() && statuses.iter().all(|status| status == "acked")
        })
        .await;
    // In Istio's fields, as istioctl reads them.
    let page = pilot.page("/debug/syncz", |_| true).await;
    assert_eq!(page[0]["proxy"], "k8s-combat-service-a.default");
    let clusters = &page[0]["resources"][TypeUrl::Cluster.as_str()];
    assert_eq!(clusters["sent"], page[0]["cluster_sent"]);
    assert_eq!(clusters["acked"], clusters["sent"]);
    assert!(clusters["sentTime"].is_string() && clusters["lastError"].is_null());
    let others = pilot.page("/debug/syncz?namespace=other", |_| true).await;
    assert_eq!(others, serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pilot_has_for_a_proxy_is_shown_in_the_form_of_the_proxys_own_dump() {
    let pilot = Pilot::start(GREETER).await;
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    let clusters = stream.response().await;
    stream.send(ack(&clusters)).await;
    stream
        .send(subscribe(TypeUrl::Route, &["50051", "nobody:1"]))
        .await;
    let routes = stream.response().await;
    stream.send(ack(&routes)).await;
    let asked = request(
        &pilot,
        "/debug/config_dump?proxyID=k8s-combat-service-a.default",
    );
    let dump: serde_json::Value = serde_json::from_slice(&asked.await.unwrap()).unwrap();
    let part = |name: &str| {
        let kind = format!("type.googleapis.com/envoy.admin.v3.{name}ConfigDump");
        let parts = dump["configs"].as_array().unwrap().iter();
        parts.clone().find(|part| part["@type"] == kind).unwrap()
    };
    let shown = part("Clusters")["dynamic_active_clusters"]
        .as_array()
        .unwrap();
    let mut sent = names(&clusters);
    sent.sort_unstable();
    let found: Vec<&str> = shown
        .iter()
        .map(|c| c["cluster"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, sent);
    let grpc = clusters.resources.iter().find(|r| r.name == GRPC).unwrap();
    let shown = shown.iter().find(|c| c["cluster"]["name"] == GRPC).unwrap();
    assert_eq!(shown["version_info"], grpc.version.as_str());
    assert_eq!(shown["cluster"]["connect_timeout"], "10s");
    let shown = part("Routes")["dynamic_route_configs"].as_array().unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["route_config"]["name"], "50051");
    // Listeners were not asked for.
    assert_eq!(
        part("Listeners")["dynamic_listeners"],
        serde_json::json!([])
    );

    let unknown = request(&pilot, "/debug/config_dump?proxyID=nobody.default").await;
    assert!(unknown.unwrap_err().to_string().contains("404"));
    let nobody = request(&pilot, "debug/config_dump").await.unwrap_err();
    assert!(nobody.to_string().contains("proxyID"), "{nobody}");
    let version = request(&pilot, "/version").await.unwrap();
    assert!(version.starts_with(env!("CARGO_PKG_VERSION").as_bytes()));
}

/// `pilot request GET PATH`.
async fn request(pilot: &Pilot, path: &str) -> Result<bytes::Bytes, RequestError> {
    let arguments = RequestArgs {
        debug_port: pilot.http,
        method: axum::http::Method::GET,
        path: path.to_owned(),
        body: None,
    };
    pilot::request::request(&arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_client_that_reconnects_after_the_pilot_was_gone_gets_only_differences() {
    let mut pilot = Pilot::start(GREETER).await;
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    let clusters = stream.response().await;
    stream.send(ack(&clusters)).await;
    let versions: HashMap<String, String> = clusters
        .resources
        .iter()
        .map(|r| (r.name.clone(), r.version.clone()))
        .collect();
    pilot.stop().await;
    let status = stream.next().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");

    pilot.write(
        "more.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n\
        spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 80}]}\n",
    );
    pilot.restart().await;
    let mut again = subscribe(TypeUrl::Cluster, &["*"]);
    again.initial_resource_versions = versions;
    let mut stream = delta(&pilot, again).await;
    let difference = stream.response().await;
    assert_eq!(
        names(&difference),
        ["outbound|80||other.default.svc.cluster.local"]
    );
    assert!(difference.removed_resources.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nack_is_shown_with_the_resource_and_the_words() {
    let pilot = Pilot::start(GREETER).await;
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    let clusters = stream.response().await;
    let mut nack = ack(&clusters);
    let words = format!("Error adding/updating cluster(s) {GRPC}: not to my taste");
    nack.error_detail = Some(RpcStatus {
        code: 13,
        message: words.clone(),
        details: vec![],
    });
    stream.send(nack).await;
    let again = stream.response().await;
    assert_eq!(names(&again).len(), names(&clusters).len() - 1);
    assert!(!names(&again).contains(&GRPC));
    stream.send(ack(&again)).await;
    let page = pilot
        .page("/debug/syncz", |page| {
            page[0]["types"][0]["nonce_acked"] == again.nonce.as_str()
        })
        .await;
    let metrics = mesh::get(pilot.monitoring, "/metrics").await.unwrap();
    for series in [
        "pilot_xds_pushes{type=\"cds\"}",
        "pilot_total_xds_rejects{type=\"cds\"} 1",
        "pilot_xds_cds_reject 1",
        "pilot_services",
        "pilot_no_ip",
        "pilot_vservice_dup_domain 0",
        "pilot_conflict_inbound_listener 0",
    ] {
        assert!(metrics.contains(series), "no {series} in {metrics}");
    }
    let clusters = &page[0]["types"][0];
    assert_eq!(clusters["error"], words.as_str());
    let resources = clusters["resources"].as_array().unwrap();
    for resource in resources {
        let expected = if resource["name"] == GRPC {
            "rejected"
        } else {
            "acked"
        };
        assert_eq!(resource["status"], expected, "{resource}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_the_world_sends_all_clusters_and_the_endpoints_that_changed() {
    let pilot = Pilot::start(GREETER).await;
    let request = |type_url: TypeUrl, names: &[&str], nonce: &str| DiscoveryRequest {
        node: sidecar(),
        type_url: type_url.as_str().to_owned(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        response_nonce: nonce.to_owned(),
        ..Default::default()
    };
    let mut stream = sotw(&pilot, request(TypeUrl::Cluster, &[], "")).await;
    let clusters = stream.response().await;
    assert!(clusters.resources.len() >= 4);
    stream
        .send(request(TypeUrl::Cluster, &[], &clusters.nonce))
        .await;
    stream
        .send(request(TypeUrl::Endpoints, &[GRPC, HTTP], ""))
        .await;
    let endpoints = stream.response().await;
    assert_eq!(endpoints.resources.len(), 2);
    stream
        .send(request(TypeUrl::Endpoints, &[GRPC, HTTP], &endpoints.nonce))
        .await;
    pilot.write("mesh.yaml", &one_endpoint());
    let change = stream.response().await;
    assert_eq!(change.type_url, TypeUrl::Endpoints.as_str());
    assert_eq!(addresses(&change.resources[0].value), ["127.0.0.11"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_file_is_reported_and_stops_nothing() {
    let pilot = Pilot::start(GREETER).await;
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    let clusters = stream.response().await;
    stream.send(ack(&clusters)).await;
    pilot.write("bad.yaml", "kind: [\n");
    let page = pilot
        .page("/debug/problems", |page| {
            !page["problems"].as_array().unwrap().is_empty()
        })
        .await;
    assert_eq!(page["problems"][0]["source"], "bad.yaml");
    pilot.write(
        "good.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n\
        spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 80}]}\n",
    );
    let change = stream.response().await;
    assert_eq!(
        names(&change),
        ["outbound|80||other.default.svc.cluster.local"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_service_leaves_after_everything_else() {
    let pilot = Pilot::start(GREETER).await;
    pilot.write(
        "more.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n\
        spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 80}]}\n",
    );
    let other = "outbound|80||other.default.svc.cluster.local";
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    let mut seen = false;
    while !seen {
        let clusters = stream.response().await;
        seen = names(&clusters).contains(&other);
        stream.send(ack(&clusters)).await;
    }
    std::fs::remove_file(pilot.directory.path().join("more.yaml")).unwrap();
    let change = stream.response().await;
    assert_eq!(change.removed_resources, [other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_must_say_for_which_node() {
    let pilot = Pilot::start(GREETER).await;
    for wrong in [
        None,
        node(""),
        node("no-such-form"),
        node("toaster~1.1.1.1~a.b~b.svc.x"),
    ] {
        let mut request = subscribe(TypeUrl::Cluster, &["*"]);
        request.node = wrong.clone();
        let mut stream = delta(&pilot, request).await;
        let status = stream.next().await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{wrong:?}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_four_mebibytes_is_refused() {
    let pilot = Pilot::start(GREETER).await;
    let long = "x".repeat(5 * 1024 * 1024);
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &[&long])).await;
    let status = stream.next().await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_old_enough_is_ended_so_that_its_client_proves_itself_anew() {
    let pilot = Pilot::start_with(GREETER, &["--keepaliveMaxServerConnectionAge", "1s"]).await;
    let mut stream = delta(&pilot, subscribe(TypeUrl::Cluster, &["*"])).await;
    stream.response().await;
    let status = stream.next().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("connect again"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_keys_are_given_to_nobody_on_the_plaintext_port() {
    let gateway = r#"
---
{"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "g", "namespace": "default"}, "spec": {"servers": [
  {"port": {"number": 443, "name": "s", "protocol": "HTTPS"}, "hosts": ["*"], "tls": {"mode": "SIMPLE", "credentialName": "c"}}]}}
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "default"}, "data": {"tls.crt": "Q0VSVA==", "tls.key": "S0VZ"}}
"#;
    let pilot = Pilot::start(&format!("{GREETER}{gateway}")).await;
    let router = || node("router~127.0.0.11~g-1.default~default.svc.cluster.local");
    let asked = |type_url, names: &[&str]| DeltaDiscoveryRequest {
        node: router(),
        ..subscribe(type_url, names)
    };
    let mut stream = delta(&pilot, asked(TypeUrl::Listener, &["*"])).await;
    let listeners = stream.response().await;
    assert_eq!(names(&listeners), ["0.0.0.0_443"]);
    stream.send(ack(&listeners)).await;
    stream
        .send(asked(TypeUrl::Secret, &["kubernetes://c"]))
        .await;
    let secrets = stream.response().await;
    assert_eq!(secrets.type_url, TypeUrl::Secret.as_str());
    assert_eq!(names(&secrets), Vec::<&str>::new());
    assert_eq!(secrets.removed_resources, ["kubernetes://c"]);
}
