//! `pilot request`: one request to the pilot's own pages, from inside its container. They are on the loopback address, and
//! the image has no other HTTP client.

use std::time::Duration;

use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The dump of a proxy of a large mesh is the longest answer.
const LONGEST: usize = 1 << 30;
/// As Istio's.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `pilot request`.
#[derive(Debug, Clone, Args)]
pub struct RequestArgs {
    /// Port on loopback: 8080 has the debug pages, 15014 metrics and the version
    #[arg(long = "debug-port", default_value_t = 8080)]
    pub debug_port: u16,

    /// HTTP method, for example GET or POST
    pub method: Method,

    /// Path, for example /debug/syncz
    pub path: String,

    /// Body of the request
    pub body: Option<String>,
}

/// Why a request was of no avail.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens.
    #[error("127.0.0.1:{port}: {source}; see --httpAddr of `pilot discovery`, and --debug-port")]
    Connect {
        /// The port asked.
        port: u16,
        /// The reason.
        source: std::io::Error,
    },
    /// The path is none.
    #[error("{0}: {1}")]
    Path(String, axum::http::Error),
    /// The connection broke, or the answer was longer than any.
    #[error("127.0.0.1:{0}: {1}")]
    Broken(u16, Box<dyn std::error::Error + Send + Sync>),
    /// No answer came.
    #[error("127.0.0.1:{0} did not answer within {PATIENCE:?}")]
    Late(u16),
    /// The answer is an error.
    #[error("{method} {path} on port {port}: {status}: {body}")]
    Refused {
        /// As asked.
        method: Method,
        /// As asked.
        path: String,
        /// As asked.
        port: u16,
        /// The answer's status.
        status: StatusCode,
        /// The answer's words.
        body: String,
    },
}

/// Sends the request; the answer's body.
///
/// # Errors
/// [`RequestError`]: nobody answered, or with a status that is not a success.
pub async fn request(args: &RequestArgs) -> Result<Bytes, RequestError> {
    let answer = tokio::time::timeout(PATIENCE, ask(args)).await;
    answer.map_err(|_| RequestError::Late(args.debug_port))?
}

async fn ask(args: &RequestArgs) -> Result<Bytes, RequestError> {
    let port = args.debug_port;
    let path = format!("/{}", args.path.trim_start_matches('/'));
    let request = Request::builder()
        .method(args.method.clone())
        .uri(path.as_str())
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .body(Full::<Bytes>::from(args.body.clone().unwrap_or_default()))
        .map_err(|error| RequestError::Path(path.clone(), error))?;
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|source| RequestError::Connect { port, source })?;
    let broken = |error: hyper::Error| RequestError::Broken(port, error.into());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // What goes wrong with the connection is told to the request.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    connection.abort();
    let body = body.map_err(|error| RequestError::Broken(port, error))?;
    let body = body.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    Err(RequestError::Refused {
        method: args.method.clone(),
        path,
        port,
        status,
        body: String::from_utf8_lossy(&body).trim().to_owned(),
    })
}
