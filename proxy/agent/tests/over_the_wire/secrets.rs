use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use agent::certificate::state::State;
use agent::sds::server;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, secret::Type};
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
use envoy_types::pb::google::protobuf::Any;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};

use super::certificate::{issued, keep, until};
use crate::support::{PATIENCE, Plane};

/// A gRPC channel over a Unix socket.
pub(crate) async fn dial(path: &Path) -> Channel {
    let path = path.to_owned();
    Endpoint::from_static("http://socket")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
        .unwrap()
}

async fn serve(directory: &Path, state: watch::Receiver<State>) -> PathBuf {
    let path = directory.join("run/socket");
    let listener = server::bind(&path).unwrap();
    tokio::spawn(server::serve(listener, state, CancellationToken::new()));
    path
}

fn chain(resource: &Any) -> String {
    match Secret::decode(&*resource.value).unwrap().r#type.unwrap() {
        Type::TlsCertificate(pair) => text(pair.certificate_chain.unwrap()),
        Type::ValidationContext(context) => text(context.trusted_ca.unwrap()),
        other => panic!("{other:?}"),
    }
}

fn text(source: envoy_types::pb::envoy::config::core::v3::DataSource) -> String {
    use envoy_types::pb::envoy::config::core::v3::data_source::Specifier::InlineBytes;
    match source.specifier.unwrap() {
        InlineBytes(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

macro_rules! within {
    ($future:expr) => {
        tokio::time::timeout(PATIENCE, $future)
            .await
            .unwrap()
            .unwrap()
    };
}

#[tokio::test]
async fn secrets_wait_for_the_certificate_and_follow_its_renewal() {
    let directory = tempfile::tempdir().unwrap();
    let mut plane = Plane::down().await;
    plane.authority.lifetime.store(6, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    let socket = serve(directory.path(), state.clone()).await;
    let mut client = SecretDiscoveryServiceClient::new(dial(&socket).await);

    let (send, requests) = mpsc::unbounded_channel();
    let mut responses = client
        .stream_secrets(UnboundedReceiverStream::new(requests))
        .await
        .unwrap()
        .into_inner();
    let mut request = DiscoveryRequest {
        resource_names: vec!["default".into()],
        ..DiscoveryRequest::default()
    };
    send.send(request.clone()).unwrap();
    plane.start().await;
    let first = within!(responses.message()).unwrap();
    assert_eq!(chain(&first.resources[0]), issued(&mut state).await.chain);

    request.response_nonce = first.nonce.clone();
    request.version_info = first.version_info.clone();
    send.send(request).unwrap();
    let second = within!(responses.message()).unwrap();
    assert_ne!(second.version_info, first.version_info);
    assert_ne!(chain(&second.resources[0]), chain(&first.resources[0]));
}

#[tokio::test]
async fn the_delta_form_gives_certificate_and_roots_and_says_what_does_not_exist() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    let mut state = keep(&plane, directory.path());
    issued(&mut state).await;
    let socket = serve(directory.path(), state.clone()).await;
    let mut client = SecretDiscoveryServiceClient::new(dial(&socket).await);
    let (send, requests) = mpsc::unbounded_channel();
    send.send(DeltaDiscoveryRequest {
        resource_names_subscribe: ["default", "ROOTCA", "file-root:system", "other"]
            .map(String::from)
            .to_vec(),
        ..DeltaDiscoveryRequest::default()
    })
    .unwrap();
    let mut responses = client
        .delta_secrets(UnboundedReceiverStream::new(requests))
        .await
        .unwrap()
        .into_inner();
    let response = within!(responses.message()).unwrap();
    let roots = response
        .resources
        .iter()
        .find(|r| r.name == "ROOTCA")
        .unwrap();
    let roots = chain(roots.resource.as_ref().unwrap());
    assert_eq!(roots.trim(), plane.authority.root_pem().trim());
    for name in ["default", "file-root:system"] {
        assert!(response.resources.iter().any(|r| r.name == name), "{name}");
    }
    assert_eq!(response.removed_resources, ["other"]);
}

#[tokio::test]
async fn an_expired_certificate_is_not_handed_out() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    plane.authority.lifetime.store(2, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    issued(&mut state).await;
    plane.authority.refusing.store(true, Ordering::Relaxed);
    until(&mut state, |s| matches!(s, State::Expired { .. })).await;
    let socket = serve(directory.path(), state.clone()).await;
    let mut client = SecretDiscoveryServiceClient::new(dial(&socket).await);
    let request = DiscoveryRequest {
        resource_names: vec!["default".into()],
        ..DiscoveryRequest::default()
    };
    let status = client.fetch_secrets(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.message().contains("expired"), "{status}");
}

#[tokio::test]
async fn the_socket_is_private_and_takes_the_place_of_one_left_behind() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(server::bind(&path).unwrap());
    assert!(!server::is_served(&path).await, "nobody serves it any more");
    let listener = server::bind(&path).unwrap();
    let (_state, receiver) = watch::channel(State::Waiting { problem: None });
    tokio::spawn(server::serve(listener, receiver, CancellationToken::new()));
    assert!(server::is_served(&path).await);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
