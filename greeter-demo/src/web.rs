//! The HTTP side of the greeter.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::sync::Mutex;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

use crate::helloworld::HelloRequest;
use crate::helloworld::greeter_client::GreeterClient;

/// How long `/service` and `/grpc_client` wait for their answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that `/grpc_client` keeps, one for each name it was asked for.
const CHANNEL_LIMIT: usize = 64;

/// What the pages need.
#[derive(Clone)]
pub struct Web {
    hostname: Arc<str>,
    service_url: Arc<str>,
    grpc_port: u16,
    http: Client<HttpConnector, Empty<bytes::Bytes>>,
    channels: Arc<Mutex<HashMap<String, Channel>>>,
}

/// `/grpc_client`'s query.
#[derive(Debug, Deserialize)]
struct GrpcClientQuery {
    /// The service to call.
    name: String,
    /// Sent as metadata `version`.
    #[serde(default)]
    version: String,
}

type Page = Result<String, (StatusCode, String)>;

impl Web {
    /// `hostname` is what `/` answers; `service_url` what `/service` gets; `grpc_port` the port that
    /// `/grpc_client` calls.
    pub fn new(hostname: &str, service_url: &str, grpc_port: u16) -> Self {
        Self {
            hostname: hostname.into(),
            service_url: service_url.into(),
            grpc_port,
            http: Client::builder(TokioExecutor::new()).build_http(),
            channels: Arc::default(),
        }
    }

    /// `/`, `/ping`, `/service` and `/grpc_client`.
    pub fn router(self) -> Router {
        Router::new()
            .route(
                "/",
                get(|State(web): State<Web>| async move { web.hostname.to_string() }),
            )
            .route("/ping", get(|| async { "pong" }))
            .route(
                "/service",
                get(|State(web): State<Web>| async move { web.service().await }),
            )
            .route(
                "/grpc_client",
                get(
                    |State(web): State<Web>, Query(query): Query<GrpcClientQuery>| async move {
                        web.grpc_client(&query).await
                    },
                ),
            )
            .with_state(self)
    }

    async fn service(&self) -> Page {
        let failed = |why: String| bad_gateway(&self.service_url, &why);
        let url = self
            .service_url
            .parse()
            .map_err(|e: http::uri::InvalidUri| failed(e.to_string()))?;
        let response = tokio::time::timeout(CALL_TIMEOUT, self.http.get(url))
            .await
            .map_err(|_| failed("no answer in time".to_owned()))?
            .map_err(|e| failed(root_cause(&e)))?;
        Ok(response.status().to_string())
    }

    async fn grpc_client(&self, query: &GrpcClientQuery) -> Page {
        let failed = |why: String| bad_gateway(&query.name, &why);
        let channel = self.channel(&query.name).await?;
        let mut request = tonic::Request::new(HelloRequest {
            name: "world".to_owned(),
        });
        request.set_timeout(CALL_TIMEOUT);
        if !query.version.is_empty() {
            let version = MetadataValue::try_from(query.version.as_str()).map_err(|_| {
                (
                    StatusCode::BAD_REQUEST,
                    "version: only printable ASCII can be metadata".to_owned(),
                )
            })?;
            request.metadata_mut().insert("version", version);
        }
        let reply = GreeterClient::new(channel)
            .say_hello(request)
            .await
            .map_err(|status| failed(format!("{:?}: {}", status.code(), status.message())))?;
        Ok(format!("Greeting: {}", reply.into_inner().message))
    }

    /// The one connection to `name`, made at the first call and kept.
    async fn channel(&self, name: &str) -> Result<Channel, (StatusCode, String)> {
        let mut channels = self.channels.lock().await;
        if let Some(channel) = channels.get(name) {
            return Ok(channel.clone());
        }
        if channels.len() >= CHANNEL_LIMIT {
            return Err((
                StatusCode::TOO_MANY_REQUESTS,
                format!("connections to {CHANNEL_LIMIT} services are kept, no more are made"),
            ));
        }
        let endpoint = Endpoint::from_shared(format!("http://{name}:{}", self.grpc_port))
            .map_err(|_| {
                (
                    StatusCode::BAD_REQUEST,
                    format!("name: `{name}` is no host name"),
                )
            })?
            .tcp_nodelay(true);
        let channel = endpoint.connect_lazy();
        channels.insert(name.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn bad_gateway(target: &str, why: &str) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, format!("{target}: {why}"))
}

/// The innermost reason: what the kernel or the peer said.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
