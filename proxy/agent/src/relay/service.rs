//! The side that the proxy connects to.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use super::bytes_codec::BytesCodec;
use super::upstream::Upstream;

/// The largest request of the proxy, in bytes: a reconnect names every resource that it holds.
const LARGEST_REQUEST: usize = 32 << 20;

/// `AggregatedDiscoveryService`, every stream of it passed on to the pilot.
#[derive(Debug, Clone)]
pub struct Relay {
    upstream: Arc<Upstream>,
}

impl Relay {
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        Self { upstream }
    }
}

impl NamedService for Relay {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower::Service<http::Request<Body>> for Relay {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let stream = RelayedStream {
            upstream: self.upstream.clone(),
            path: request.uri().path().to_owned(),
        };
        Box::pin(async move {
            let mut grpc =
                Grpc::new(BytesCodec).apply_max_message_size_config(Some(LARGEST_REQUEST), None);
            Ok(grpc.streaming(stream, request).await)
        })
    }
}

/// One stream of the proxy; `path` is the method, delta or state-of-the-world.
struct RelayedStream {
    upstream: Arc<Upstream>,
    path: String,
}

impl StreamingService<Bytes> for RelayedStream {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = Answer<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (upstream, path) = (self.upstream.clone(), self.path.clone());
        let requests = request.into_inner();
        // The proxy's stream opens at once and the pilot is dialled as it is first read: dropping
        // the stream, when the proxy goes away, then drops everything behind it.
        let messages = futures::stream::once(async move { upstream.open(path, requests).await })
            .try_flatten()
            .boxed();
        Box::pin(std::future::ready(Ok(Response::new(messages))))
    }
}
