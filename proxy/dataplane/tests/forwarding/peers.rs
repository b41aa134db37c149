//! A server and clients made of hyper.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dataplane::{DataPlane, Telemetry};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

/// An address that nothing listens on.
pub fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A server of both versions of HTTP: it answers `NAME METHOD PATH BODY-LENGTH` and echoes the body on `/echo`.
pub async fn server(name: &'static str) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU64::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(name, request));
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (address, connections)
}

static BIG: [u8; 1 << 20] = [b'b'; 1 << 20];

pub async fn answer(
    name: &str,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = |name: &str| {
        head.headers
            .get(name)
            .map_or("", |v| v.to_str().unwrap_or("?"))
            .to_owned()
    };
    let mut response = Response::builder()
        .header(
            "seen-host",
            head.uri
                .authority()
                .map_or_else(|| seen("host"), |a| a.to_string()),
        )
        .header("seen-original-host", seen("x-envoy-original-host"))
        .header("seen-version", format!("{:?}", head.version))
        .header("seen-request-id", seen("x-request-id"))
        .header("seen-forwarded-proto", seen("x-forwarded-proto"))
        .header("seen-peer-metadata", seen("x-envoy-peer-metadata"))
        .header("seen-client-cert", seen("x-forwarded-client-cert"));
    if let Some(status) = head.uri.path().strip_prefix("/status/") {
        response = response.status(status.parse::<u16>().unwrap());
    }
    let answer = match head.uri.path() {
        "/echo" => body,
        "/big" => Bytes::from_static(&BIG),
        path => Bytes::from(format!("{name} {} {path} {}", head.method, body.len())),
    };
    Ok(response.body(Full::new(answer)).unwrap())
}

/// Telemetry that nobody looks at.
pub fn nobody() -> Arc<Telemetry> {
    telemetry(Arc::new(stats::Registry::new(1, "")), "")
}

/// Telemetry of a workload.
pub fn telemetry(registry: Arc<stats::Registry>, workload: &str) -> Arc<Telemetry> {
    let own = stats::istio::Workload {
        workload: workload.into(),
        namespace: "default".into(),
        app: workload.into(),
        canonical_service: workload.into(),
        ..Default::default()
    };
    Arc::new(Telemetry::new(
        registry,
        own,
        "sidecar~192.0.2.1~p.default~default.svc.cluster.local",
    ))
}

/// Starts a data plane and waits until it listens.
pub async fn started(address: SocketAddr, graph: &Arc<graph::Graph>) -> DataPlane {
    counting(address, graph, &nobody()).await
}

/// As `started`, with telemetry of its own.
pub async fn counting(
    address: SocketAddr,
    graph: &Arc<graph::Graph>,
    telemetry: &Arc<Telemetry>,
) -> DataPlane {
    let plane = DataPlane::start(1, telemetry).unwrap();
    plane.publish(graph);
    listens(address).await;
    plane
}

async fn listens(address: SocketAddr) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "nothing listens on {address}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

pub async fn whole(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

/// A client's HTTP/2 connection.
pub async fn http2(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    http2_with_window(address, 1 << 20).await
}

/// A client's HTTP/2 connection that lets so many bytes of an answer come unread.
pub async fn http2_with_window(
    address: SocketAddr,
    window: u32,
) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub async fn ask2(
    sender: &mut hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    body: Bytes,
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://service{path}"))
        .body(Full::new(body))
        .unwrap();
    whole(sender.send_request(request).await.unwrap()).await
}

/// A client's HTTP/1.1 connection.
pub async fn http1(address: SocketAddr) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub async fn ask1(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    body: Bytes,
) -> Answer {
    sender.ready().await.unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "service")
        .body(Full::new(body))
        .unwrap();
    whole(sender.send_request(request).await.unwrap()).await
}

/// Reads a log file until it has so many lines.
pub async fn lines(path: &std::path::Path, count: usize) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{count} lines were awaited: {lines:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
