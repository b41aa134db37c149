//! The side that connects to the pilot.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::uri::PathAndQuery;
use tokio::sync::watch;
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};

use super::bytes_codec::BytesCodec;
use crate::certificate::state::State;
use crate::control_plane::ControlPlane;
use crate::jitter::{self, Backoff};

/// The largest response of the pilot, in bytes: all clusters of a large mesh.
const LARGEST_RESPONSE: usize = 128 << 20;
/// The first wait after the pilot could not be reached, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Where streams go, and with what.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) pilot: ControlPlane,
    pub(super) certificate: watch::Receiver<State>,
}

/// Why a stream could not be opened.
enum Failure {
    /// The pilot was not reached; none of the proxy's messages is lost.
    Unreached(String),
    /// The pilot answered with an error, or the connection broke after messages had gone out.
    Broken(Status),
}

impl Upstream {
    /// Opens the proxy's stream `path` at the pilot, trying until the pilot is reached, and returns
    /// the pilot's messages. Nothing is read from `requests` before that.
    ///
    /// # Errors
    /// The pilot's own refusal, for the proxy to see and to try again later.
    pub(super) async fn open(
        self: Arc<Self>,
        path: String,
        requests: Streaming<Bytes>,
    ) -> Result<impl Stream<Item = Result<Bytes, Status>> + Send + use<>, Status> {
        let path = PathAndQuery::try_from(path)
            .map_err(|_| Status::unimplemented("not a discovery method"))?;
        let lender = Lender::new(requests);
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            match self.attempt(path.clone(), &lender).await {
                Ok(messages) => return Ok(self.log_end(messages)),
                Err(Failure::Broken(status)) => {
                    count("istio_agent_istiod_connection_failures");
                    tracing::warn!("the pilot {} refused: {status}", self.pilot.address);
                    return Err(status);
                }
                Err(Failure::Unreached(problem)) => {
                    count("istio_agent_istiod_connection_failures");
                    let wait = backoff.next(jitter::unit());
                    tracing::warn!("no connection to the pilot: {problem}; next try in {wait:?}");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        path: PathAndQuery,
        lender: &Lender,
    ) -> Result<impl Stream<Item = Result<Bytes, Status>> + Send + use<>, Failure> {
        let current = self.certificate.borrow().clone().at(SystemTime::now());
        let access = self
            .pilot
            .access(current.usable().and_then(|issued| issued.parsed().ok()))
            .map_err(|e| Failure::Unreached(e.to_string()))?;
        let mut request = Request::new(lender.lend());
        access.authorize(request.metadata_mut());
        let mut grpc =
            Grpc::new(access.channel.clone()).max_decoding_message_size(LARGEST_RESPONSE);
        grpc.ready()
            .await
            .map_err(|e| Failure::Unreached(format!("{}: {e}", self.pilot.address)))?;
        match grpc.streaming(request, path, BytesCodec).await {
            Ok(response) => {
                let channel = access.channel;
                Ok(response.into_inner().inspect(move |message| {
                    // The channel lives as long as its stream.
                    let _connection = &channel;
                    if message.is_ok() {
                        count("istio_agent_xds_proxy_responses");
                    }
                }))
            }
            Err(status) if lender.is_untouched() => Err(Failure::Unreached(format!(
                "{}: {}",
                self.pilot.address,
                root_cause(&status)
            ))),
            Err(status) => Err(Failure::Broken(status)),
        }
    }

    /// Says when the pilot ends the stream. The proxy's stream ends with it, and the proxy opens
    /// another one that says what it holds.
    fn log_end<S>(
        self: &Arc<Self>,
        messages: S,
    ) -> impl Stream<Item = Result<Bytes, Status>> + Send + use<S>
    where
        S: Stream<Item = Result<Bytes, Status>> + Send,
    {
        tracing::info!("connected to the pilot {}", self.pilot.address);
        let address = self.pilot.address.clone();
        let end = futures::stream::once(async move {
            count("istio_agent_istiod_connection_terminations");
            tracing::info!("the pilot {address} ended the configuration stream");
            None
        });
        messages.map(Some).chain(end).filter_map(std::future::ready)
    }
}

fn count(metric: &'static str) {
    metrics::counter!(metric).increment(1);
}

/// The innermost error: tonic's own says no more than "transport error".
fn root_cause(status: &Status) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(status);
    let mut text = status.message().to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

/// Hands the proxy's requests to one attempt after another, until one has begun to read them.
struct Lender {
    slot: Arc<Mutex<Option<Streaming<Bytes>>>>,
}

impl Lender {
    fn new(requests: Streaming<Bytes>) -> Self {
        Self {
            slot: Arc::new(Mutex::new(Some(requests))),
        }
    }

    fn lend(&self) -> Lent {
        Lent {
            slot: self.slot.clone(),
            taken: None,
        }
    }

    fn is_untouched(&self) -> bool {
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

/// The requests, taken from the slot at the first read.
struct Lent {
    slot: Arc<Mutex<Option<Streaming<Bytes>>>>,
    taken: Option<Streaming<Bytes>>,
}

impl Stream for Lent {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let lent = self.get_mut();
        if lent.taken.is_none() {
            lent.taken = lent
                .slot
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        }
        let Some(requests) = &mut lent.taken else {
            return Poll::Ready(None);
        };
        let request = std::task::ready!(Pin::new(requests).poll_next(context));
        // A broken stream of the proxy is the end of its requests.
        Poll::Ready(request.and_then(|request| {
            let request = request.ok()?;
            count("istio_agent_xds_proxy_requests");
            Some(request)
        }))
    }
}
