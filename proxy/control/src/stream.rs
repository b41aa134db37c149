//! Streams that are kept open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::jitter::{self, Backoff};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::call::{Answers, call};
use crate::core::Service;

/// Makes the channel for a new stream; it may connect as late as the stream is opened.
pub type Dial = Arc<dyn Fn() -> Channel + Send + Sync>;

/// The first wait after a stream ended, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The largest response, in bytes: all clusters of a large mesh.
const LARGEST_RESPONSE: usize = 128 << 20;

/// Dials a Unix socket.
#[must_use]
pub fn unix(path: PathBuf) -> Dial {
    Arc::new(move || {
        let path = path.clone();
        // The address is not used: the connector knows where to go.
        Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(
            move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            },
        ))
    })
}

/// What happens on a stream.
#[derive(Debug)]
pub(crate) enum Event {
    /// One is being opened: requests for it go here.
    Opened(mpsc::UnboundedSender<DeltaDiscoveryRequest>),
    /// A response came.
    Response(Box<DeltaDiscoveryResponse>),
    /// It ended; another one will be opened.
    Closed,
}

/// Keeps a stream open until nobody listens to its events any more.
pub(crate) async fn keep(service: Service, dial: Dial, events: mpsc::Sender<(Service, Event)>) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let (sender, requests) = mpsc::unbounded_channel();
        if events.send((service, Event::Opened(sender))).await.is_err() {
            return;
        }
        let end = match open(service, dial(), requests).await {
            Err(status) => status,
            Ok(mut responses) => loop {
                match responses.next().await {
                    Ok(Some(response)) => {
                        backoff.reset();
                        let event = Event::Response(Box::new(response));
                        if events.send((service, event)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break Status::ok("the server ended it"),
                    Err(status) => break status,
                }
            },
        };
        if events.send((service, Event::Closed)).await.is_err() {
            return;
        }
        let wait = backoff.next(jitter::unit());
        tracing::info!(
            "the stream of {service:?} ended: {}; the next one in {wait:?}",
            end.message()
        );
        tokio::time::sleep(wait).await;
    }
}

async fn open(
    service: Service,
    channel: Channel,
    requests: mpsc::UnboundedReceiver<DeltaDiscoveryRequest>,
) -> Result<Answers, Status> {
    let method = match service {
        Service::Configuration => {
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
        }
        Service::Secrets => "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets",
    };
    let requests = UnboundedReceiverStream::new(requests);
    call(channel, method, requests, LARGEST_RESPONSE).await
}
