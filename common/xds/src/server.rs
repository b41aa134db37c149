//! `envoy.service.discovery.v3.AggregatedDiscoveryService` as a tonic service over a
//! [`Configuration`].

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use crate::configuration::Configuration;
use crate::protocol::Protocol;
use crate::session::limits::MAX_REQUEST;
use crate::session::{delta, sotw};
use crate::stream::{RESPONSES, Stream};
use crate::wire::ResponseCodec;

const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// The service, for `tonic::transport::Server::add_service`.
#[derive(Debug)]
pub struct AggregatedDiscovery<C> {
    configuration: Arc<C>,
    control_plane: Arc<str>,
    max_age: Duration,
    shutdown: CancellationToken,
}

impl<C> AggregatedDiscovery<C> {
    /// Serves `configuration`, naming this `control_plane` in every response, until `shutdown`
    /// ends all streams.
    pub fn new(
        configuration: Arc<C>,
        control_plane: impl Into<Arc<str>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            configuration,
            control_plane: control_plane.into(),
            max_age: Duration::MAX,
            shutdown,
        }
    }

    /// Ends each stream at this age, give or take a tenth. A client that goes on connects again, maybe to another
    /// replica, and proves anew who it is.
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}

impl<C> Clone for AggregatedDiscovery<C> {
    fn clone(&self) -> Self {
        Self {
            configuration: self.configuration.clone(),
            control_plane: self.control_plane.clone(),
            max_age: self.max_age,
            shutdown: self.shutdown.clone(),
        }
    }
}

impl<C> NamedService for AggregatedDiscovery<C> {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

struct Method<P, C> {
    service: AggregatedDiscovery<C>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol, C: Configuration> StreamingService<P::Request> for Method<P, C> {
    type Response = P::Response;
    type ResponseStream = ReceiverStream<Result<P::Response, Status>>;
    type Future = Answer<Response<Self::ResponseStream>>;

    fn call(&mut self, request: Request<Streaming<P::Request>>) -> Self::Future {
        let service = self.service.clone();
        Box::pin(async move {
            let credential = service
                .configuration
                .authenticate(request.extensions(), request.metadata())
                .await?;
            let (responses, receiver) = mpsc::channel(RESPONSES);
            let stream = Stream::<P, C> {
                configuration: service.configuration,
                credential,
                requests: request.into_inner(),
                responses,
                max_age: service.max_age,
                shutdown: service.shutdown,
            };
            tokio::spawn(stream.run());
            Ok(Response::new(ReceiverStream::new(receiver)))
        })
    }
}

impl<C: Configuration> AggregatedDiscovery<C> {
    async fn open<P: Protocol>(self, request: http::Request<Body>) -> http::Response<Body> {
        let codec = ResponseCodec::<P::Request, P::Response>::new(self.control_plane.clone());
        let method = Method::<P, C> {
            service: self,
            protocol: PhantomData,
        };
        Grpc::new(codec)
            .apply_max_message_size_config(Some(MAX_REQUEST), None)
            .streaming(method, request)
            .await
    }
}

impl<C: Configuration> Service<http::Request<Body>> for AggregatedDiscovery<C> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                SOTW => service.open::<sotw::Session>(request).await,
                DELTA => service.open::<delta::Session>(request).await,
                _ => Status::unimplemented("AggregatedDiscoveryService has no such method")
                    .into_http(),
            })
        })
    }
}
