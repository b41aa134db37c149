//! The gRPC side of secret discovery.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use futures::{Stream, StreamExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::secret::{self, TYPE_URL};
use super::session::{Due, Session};
use crate::certificate::Issued;
use crate::certificate::state::State;
use crate::socket;

/// A secret request names three secrets at most; a larger message is not one.
const LARGEST_REQUEST: usize = 256 * 1024;

/// Serves what `state` holds.
#[derive(Debug)]
pub struct Secrets {
    state: watch::Receiver<State>,
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Opens a Unix socket at `path` for this user alone, in place of one that nobody serves any more.
///
/// # Errors
/// The directory cannot be made or written.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    // Made in a directory that nobody else can enter: a socket is open to all from its making to the
    // change of its mode.
    let hidden = hidden_beside(path)?;
    std::fs::DirBuilder::new().mode(0o700).create(&hidden)?;
    let made = bind_within(&hidden, path);
    let _ = std::fs::remove_dir_all(&hidden);
    made
}

fn bind_within(hidden: &Path, path: &Path) -> io::Result<UnixListener> {
    let socket = hidden.join("s");
    let listener = UnixListener::bind(&socket)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&socket, path)?;
    Ok(listener)
}

/// A directory's name beside `path` that is not taken: one that a killed agent left behind is
/// removed, as only one agent serves a path.
fn hidden_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = path.with_file_name(format!(".{name}"));
    match std::fs::remove_dir_all(&hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(hidden),
    }
}

/// Whether another agent (SPIRE's, say) serves secrets at `path` already.
pub async fn is_served(path: &Path) -> bool {
    UnixStream::connect(path).await.is_ok()
}

/// Serves secrets on `listener` until `shutdown`.
///
/// # Errors
/// The listener broke.
pub async fn serve(
    listener: UnixListener,
    state: watch::Receiver<State>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = SecretDiscoveryServiceServer::new(Secrets { state })
        .max_decoding_message_size(LARGEST_REQUEST);
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(socket::incoming(listener), shutdown.cancelled_owned())
        .await
}

/// What moves a stream on.
enum Event<R> {
    Request(R),
    Changed,
    Closed,
}

/// The next thing that happens on a stream: a request, or a change of the certificate.
async fn next<R>(
    requests: &mut Streaming<R>,
    state: &mut watch::Receiver<State>,
) -> Result<Event<R>, Status> {
    tokio::select! {
        request = requests.message() => Ok(request?.map_or(Event::Closed, Event::Request)),
        changed = state.changed() => Ok(if changed.is_ok() { Event::Changed } else { Event::Closed }),
    }
}

/// The certificate that may be handed out now, if there is one.
fn usable(state: &watch::Receiver<State>) -> Option<std::sync::Arc<Issued>> {
    let now = state.borrow().clone().at(std::time::SystemTime::now());
    now.usable().cloned()
}

fn refused(error: Option<envoy_types::pb::google::rpc::Status>) {
    if let Some(error) = error {
        metrics::counter!("istio_agent_num_sds_rejections").increment(1);
        tracing::warn!("the proxy refused a secret: {}", error.message);
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Secrets {
    type DeltaSecretsStream = Responses<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Responses<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        let start = (request.into_inner(), self.state.clone(), Session::default());
        let responses = futures::stream::try_unfold(
            start,
            |(mut requests, mut state, mut session)| async move {
                loop {
                    match next(&mut requests, &mut state).await? {
                        Event::Closed => return Ok(None),
                        Event::Changed => {}
                        Event::Request(request) => delta_request(&mut session, request),
                    }
                    let issued = usable(&state);
                    if let Some(due) = session.due(|name| name.version(issued.as_deref())) {
                        let response = delta_response(due, issued.as_deref());
                        return Ok(Some((response, (requests, state, session))));
                    }
                }
            },
        );
        Ok(Response::new(responses.boxed()))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let start = (request.into_inner(), self.state.clone(), Session::default());
        let responses = futures::stream::try_unfold(
            start,
            |(mut requests, mut state, mut session)| async move {
                loop {
                    match next(&mut requests, &mut state).await? {
                        Event::Closed => return Ok(None),
                        Event::Changed => {}
                        Event::Request(request) => {
                            refused(request.error_detail);
                            // A stale answer says nothing about what the client has now.
                            if session.is_current(&request.response_nonce) {
                                session.want_exactly(&request.resource_names);
                            }
                        }
                    }
                    let issued = usable(&state);
                    if let Some(due) = session.due(|name| name.version(issued.as_deref())) {
                        let response = whole_response(&session, due, issued.as_deref());
                        return Ok(Some((response, (requests, state, session))));
                    }
                }
            },
        );
        Ok(Response::new(responses.boxed()))
    }

    async fn fetch_secrets(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        let mut session = Session::default();
        session.want_exactly(&request.into_inner().resource_names);
        let issued = usable(&self.state);
        if session.wanted().next().is_none() {
            return Err(Status::not_found(
                "the secrets are named `default`, `ROOTCA` and `file-root:system`",
            ));
        }
        let due = session
            .due(|name| name.version(issued.as_deref()))
            .ok_or_else(|| Status::unavailable(self.state.borrow().to_string()))?;
        let response = whole_response(&session, due, issued.as_deref());
        Ok(Response::new(response))
    }
}

fn delta_request(session: &mut Session, request: DeltaDiscoveryRequest) {
    refused(request.error_detail);
    session.unsubscribe(
        request
            .resource_names_unsubscribe
            .iter()
            .map(String::as_str),
    );
    session.subscribe(request.resource_names_subscribe.iter().map(String::as_str));
    for (name, version) in &request.initial_resource_versions {
        session.holds(name, version);
    }
}

fn delta_response(due: Due, issued: Option<&Issued>) -> DeltaDiscoveryResponse {
    let resources = due.secrets.iter().filter_map(|name| {
        Some(Resource {
            name: name.as_str().to_owned(),
            version: name.version(issued)?.to_owned(),
            resource: Some(secret::resource(*name, issued)?),
            ..Resource::default()
        })
    });
    DeltaDiscoveryResponse {
        system_version_info: version(issued),
        resources: resources.collect(),
        type_url: TYPE_URL.to_owned(),
        removed_resources: due.absent,
        nonce: due.nonce,
        ..DeltaDiscoveryResponse::default()
    }
}

fn whole_response(session: &Session, due: Due, issued: Option<&Issued>) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: version(issued),
        resources: session
            .wanted()
            .filter_map(|name| secret::resource(name, issued))
            .collect(),
        type_url: TYPE_URL.to_owned(),
        nonce: due.nonce,
        ..DiscoveryResponse::default()
    }
}

/// The version of all that is handed out: what changes is the workload's certificate.
fn version(issued: Option<&Issued>) -> String {
    issued
        .map(|issued| issued.fingerprint.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_replaces_one_that_was_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("uds/socket");
        std::fs::create_dir_all(directory.path().join("uds/.socket/left")).unwrap();
        for _ in 0..2 {
            let listener = bind(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(is_served(&path).await);
            drop(listener);
            assert!(!is_served(&path).await);
        }
        let beside = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(beside.count(), 1);
    }
}
