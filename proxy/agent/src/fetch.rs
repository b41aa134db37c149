//! One bounded HTTP request on a connection of its own: for Envoy's admin interface, probes of the
//! application, and scrapes. Nothing is pooled, since a probe must see whether connecting works.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

mod unverified;

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// The source address, for an `address` that is numeric: how the redirect rules of a pod tell
    /// the agent's requests from those that must go through the proxy.
    pub from: Option<IpAddr>,
}

impl<'a> From<&'a str> for Target<'a> {
    fn from(address: &'a str) -> Self {
        Self {
            address,
            from: None,
        }
    }
}

/// How far a response is followed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest body kept, in bytes; the rest is not read.
    pub body: usize,
    /// Longest time for connecting, sending and reading together.
    pub time: Duration,
}

/// An answer.
#[derive(Debug)]
pub struct Fetched {
    /// The status code.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The body, up to the limit.
    pub body: Bytes,
    /// Whether the body was longer than the limit.
    pub truncated: bool,
}

impl Fetched {
    /// The body as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, #[source] std::io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("{0}: {1}")]
    Http(String, #[source] hyper::Error),
    /// The answer took too long.
    #[error("{0} did not answer within {1:?}")]
    TimedOut(String, Duration),
}

/// Sends `request` to `address` (`host:port`) over plain TCP, HTTP/1.1.
///
/// # Errors
/// [`FetchError`] names the address. A status code is not an error.
pub async fn plain(
    target: impl Into<Target<'_>>,
    request: Request<Full<Bytes>>,
    limits: Limits,
) -> Result<Fetched, FetchError> {
    let target = target.into();
    let address = target.address;
    within(address, limits, async {
        let stream = connect(target).await?;
        http1(address, stream, request, limits.body).await
    })
    .await
}

/// As [`plain`], over TLS without verification of the server: what a kubelet does for HTTPS probes,
/// whose purpose is liveness and not identity. HTTP/2 is used when the server prefers it.
///
/// # Errors
/// As [`plain`]; a failed handshake is a connection that could not be made.
pub async fn unverified_tls(
    target: impl Into<Target<'_>>,
    mut request: Request<Full<Bytes>>,
    limits: Limits,
) -> Result<Fetched, FetchError> {
    let target = target.into();
    let address = target.address;
    within(address, limits, async {
        let stream = connect(target).await?;
        let stream = unverified::handshake(stream)
            .await
            .map_err(|e| FetchError::Connect(address.to_owned(), e))?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            *request.version_mut() = Version::HTTP_2;
            http2(address, stream, request, limits.body).await
        } else {
            http1(address, stream, request, limits.body).await
        }
    })
    .await
}

/// A GET request for `path` on `host`. An unusable path becomes `/`.
pub fn get(host: &str, path: &str) -> Request<Full<Bytes>> {
    request(http::Method::GET, host, path, Bytes::new())
}

/// A request with a body. An unusable path becomes `/`, an unusable host is left out.
pub fn request(method: http::Method, host: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    if let Ok(host) = http::HeaderValue::from_str(host) {
        request.headers_mut().insert(http::header::HOST, host);
    }
    request
}

async fn within(
    address: &str,
    limits: Limits,
    work: impl Future<Output = Result<Fetched, FetchError>>,
) -> Result<Fetched, FetchError> {
    tokio::time::timeout(limits.time, work)
        .await
        .unwrap_or_else(|_| Err(FetchError::TimedOut(address.to_owned(), limits.time)))
}

/// A TCP connection to `target`, without a limit of time.
///
/// # Errors
/// [`FetchError::Connect`].
pub async fn connect(target: Target<'_>) -> Result<TcpStream, FetchError> {
    let connecting = async {
        let Some(from) = target.from else {
            return TcpStream::connect(target.address).await;
        };
        let to: SocketAddr = target
            .address
            .parse()
            .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidInput, e))?;
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(to).await
    };
    connecting
        .await
        .map_err(|e| FetchError::Connect(target.address.to_owned(), e))
}

async fn http1(
    address: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    cap: usize,
) -> Result<Fetched, FetchError> {
    let failed = |e| FetchError::Http(address.to_owned(), e);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let driver = tokio::spawn(connection);
    let outcome = async {
        let response = sender.send_request(request).await?;
        collect(response, cap).await
    }
    .await;
    driver.abort();
    outcome.map_err(failed)
}

async fn http2(
    address: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut request: Request<Full<Bytes>>,
    cap: usize,
) -> Result<Fetched, FetchError> {
    let failed = |e| FetchError::Http(address.to_owned(), e);
    // HTTP/2 has `:authority` where HTTP/1 has `host`.
    let host = request.headers_mut().remove(http::header::HOST);
    let authority = host
        .as_ref()
        .and_then(|h| h.to_str().ok())
        .unwrap_or(address);
    let uri = format!("https://{authority}{}", request.uri());
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(failed)?;
    let driver = tokio::spawn(connection);
    let outcome = async {
        let response = sender.send_request(request).await?;
        collect(response, cap).await
    }
    .await;
    driver.abort();
    outcome.map_err(failed)
}

async fn collect(response: http::Response<Incoming>, cap: usize) -> Result<Fetched, hyper::Error> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = cap.saturating_sub(body.len());
        body.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Fetched {
        status: head.status,
        headers: head.headers,
        body: body.freeze(),
        truncated,
    })
}
