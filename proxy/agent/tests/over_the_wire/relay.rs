use std::path::Path;

use agent::certificate::state::State;
use agent::control_plane::ControlPlane;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::google::protobuf::Any;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::secrets::dial;
use crate::support::{PATIENCE, Plane, TOKEN};

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

/// A proxy's stream through a relay.
struct Stream {
    send: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Stream {
    async fn open(channel: Channel, versions: &[(&str, &str)]) -> Self {
        let (send, requests) = mpsc::unbounded_channel();
        let held = versions.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        send.send(DeltaDiscoveryRequest {
            node: Some(Node {
                id: "sidecar~192.0.2.1~a.b~b.svc.cluster.local".into(),
                ..Node::default()
            }),
            type_url: CLUSTER.into(),
            initial_resource_versions: held.collect(),
            ..DeltaDiscoveryRequest::default()
        })
        .unwrap();
        let responses = AggregatedDiscoveryServiceClient::new(channel)
            .delta_aggregated_resources(UnboundedReceiverStream::new(requests))
            .await
            .unwrap()
            .into_inner();
        Self { send, responses }
    }

    async fn next(&mut self) -> Result<Option<DeltaDiscoveryResponse>, Status> {
        tokio::time::timeout(PATIENCE, self.responses.message())
            .await
            .unwrap()
    }
}

async fn relay(directory: &Path, pilot: ControlPlane) -> Channel {
    let path = directory.join("XDS");
    let listener = agent::sds::server::bind(&path).unwrap();
    let (_, certificate) = watch::channel(State::Waiting { problem: None });
    let end = CancellationToken::new();
    tokio::spawn(agent::relay::serve(listener, pilot, certificate, end));
    dial(&path).await
}

fn cluster(plane: &Plane, bytes: &[u8]) {
    let resource = Any {
        type_url: CLUSTER.into(),
        value: bytes.to_vec(),
    };
    plane.pilot.serve("c", resource);
}

#[tokio::test]
async fn messages_pass_as_they_are_and_the_token_goes_with_them() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    // Not a cluster at all: the relay must not care, and larger than a default gRPC limit.
    let odd: Vec<u8> = (0..6_000_000_u32).map(|n| n as u8).collect();
    cluster(&plane, &odd);
    let channel = relay(directory.path(), plane.mount(directory.path())).await;
    let (send, requests) = mpsc::unbounded_channel();
    send.send(DeltaDiscoveryRequest {
        type_url: CLUSTER.into(),
        ..DeltaDiscoveryRequest::default()
    })
    .unwrap();
    let mut responses = AggregatedDiscoveryServiceClient::new(channel)
        .max_decoding_message_size(16 << 20)
        .delta_aggregated_resources(UnboundedReceiverStream::new(requests))
        .await
        .unwrap()
        .into_inner();
    let response = tokio::time::timeout(PATIENCE, responses.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(response.resources[0].resource.as_ref().unwrap().value, odd);
    let tokens = plane.pilot.tokens.lock().unwrap().clone();
    assert_eq!(tokens, [Some(format!("Bearer {TOKEN}"))]);
}

#[tokio::test]
async fn a_pilot_that_comes_up_later_gets_the_first_request() {
    let directory = tempfile::tempdir().unwrap();
    let mut plane = Plane::down().await;
    cluster(&plane, b"c");
    let channel = relay(directory.path(), plane.mount(directory.path())).await;
    let mut stream = Stream::open(channel, &[]).await;
    plane.start().await;
    let response = stream.next().await.unwrap().unwrap();
    assert_eq!(response.resources[0].name, "c");
    let requests = plane.pilot.first_requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0]
            .node
            .as_ref()
            .unwrap()
            .id
            .starts_with("sidecar~")
    );
}

#[tokio::test]
async fn the_pilots_end_ends_the_stream_and_the_next_one_says_what_the_proxy_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut plane = Plane::up().await;
    cluster(&plane, b"c");
    let channel = relay(directory.path(), plane.mount(directory.path())).await;
    let mut stream = Stream::open(channel.clone(), &[]).await;
    let first = stream.next().await.unwrap().unwrap();
    stream
        .send
        .send(DeltaDiscoveryRequest {
            type_url: CLUSTER.into(),
            response_nonce: first.nonce,
            ..DeltaDiscoveryRequest::default()
        })
        .unwrap();
    plane.stop().await;
    assert!(stream.next().await.is_ok_and(|end| end.is_none()));

    let mut again = Stream::open(channel, &[("c", "1")]).await;
    plane.start().await;
    again.next().await.unwrap().unwrap();
    let requests = plane.pilot.first_requests();
    let held = &requests.last().unwrap().initial_resource_versions;
    assert_eq!(held.get("c").map(String::as_str), Some("1"));
}

#[tokio::test]
async fn what_the_pilot_refuses_is_refused_to_the_proxy_in_its_words() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    let channel = relay(directory.path(), plane.mount(directory.path())).await;
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let (send, requests) = mpsc::unbounded_channel();
    send.send(Default::default()).unwrap();
    let mut responses = client
        .stream_aggregated_resources(UnboundedReceiverStream::new(requests))
        .await
        .unwrap()
        .into_inner();
    let status = tokio::time::timeout(PATIENCE, responses.message())
        .await
        .unwrap()
        .unwrap_err();
    assert!(status.message().contains("speaks delta"), "{status}");
}

#[tokio::test]
async fn a_request_beyond_the_limit_ends_its_own_stream_alone() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    cluster(&plane, b"c");
    let channel = relay(directory.path(), plane.mount(directory.path())).await;
    let mut huge = Stream::open(channel.clone(), &[("c", &"v".repeat(33 << 20))]).await;
    // It ends, one way or the other, and the pilot has not seen it.
    assert!(!matches!(huge.next().await, Ok(Some(_))));
    assert!(plane.pilot.first_requests().is_empty());
    let mut other = Stream::open(channel, &[]).await;
    assert!(other.next().await.unwrap().is_some());
}
