//! Requests without pause on several connections of both versions of HTTP, every one of them counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Body = Full<Bytes>;

/// Connections of each version, and requests at once on one of HTTP/2.
const EACH: usize = 4;
/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Outcome {
    pub answered: u64,
    /// Connections that clients opened.
    pub connections: u64,
    /// Requests that crossed their own client's leaving.
    pub crossings: u64,
    /// Why, of each that failed.
    pub failures: Vec<String>,
}

/// Clients that ask until they are told to stop.
pub struct Load {
    flow: Arc<Flow>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

#[derive(Default)]
struct Flow {
    over: AtomicBool,
    answered: AtomicU64,
    connections: AtomicU64,
    /// Requests that crossed their own client's leaving.
    crossings: AtomicU64,
}

impl Load {
    /// Begins, and returns once requests are answered.
    pub async fn on(address: SocketAddr) -> Load {
        let flow = Arc::new(Flow::default());
        let mut clients = Vec::new();
        for _ in 0..EACH {
            clients.push(tokio::spawn(over_http1(address, flow.clone())));
            clients.push(tokio::spawn(over_http2(address, flow.clone())));
        }
        let load = Load { flow, clients };
        load.goes_on().await;
        load
    }

    /// Waits until many more requests are answered than are under way at once.
    pub async fn goes_on(&self) {
        self.answers(20 * (EACH + EACH * EACH) as u64).await;
    }

    async fn answers(&self, more: u64) {
        let seen = self.flow.answered.load(Ordering::Relaxed);
        self.until("requests to be answered", || {
            self.flow.answered.load(Ordering::Relaxed) >= seen + more
        })
        .await;
    }

    /// Waits until every client has a new connection.
    pub async fn reconnects(&self, since: u64) {
        let all = since + 2 * EACH as u64;
        self.until("clients to connect anew", || self.connections() >= all)
            .await;
    }

    /// Connections that clients opened so far.
    pub fn connections(&self) -> u64 {
        self.flow.connections.load(Ordering::Relaxed)
    }

    /// Waits for what must come while requests flow.
    pub async fn until(&self, what: &str, mut there: impl FnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !there() {
            assert!(tokio::time::Instant::now() < deadline, "waited for {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends it.
    pub async fn end(self) -> Outcome {
        self.flow.over.store(true, Ordering::Relaxed);
        let mut outcome = Outcome::default();
        for client in self.clients {
            outcome.failures.extend(client.await.unwrap());
        }
        outcome.answered = self.flow.answered.load(Ordering::Relaxed);
        outcome.crossings = self.flow.crossings.load(Ordering::Relaxed);
        outcome.connections = self.flow.connections.load(Ordering::Relaxed);
        outcome
    }
}

impl Outcome {
    /// No request failed.
    pub fn is_whole(&self) {
        assert_eq!(
            self.failures,
            [""; 0],
            "{} of {} failed",
            self.failures.len(),
            self.answered
        );
        assert!(self.crossings <= self.connections * EACH as u64, "{self:?}");
    }
}

impl Flow {
    async fn connect(&self, address: SocketAddr) -> TokioIo<TcpStream> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        TokioIo::new(TcpStream::connect(address).await.unwrap())
    }

    async fn take(&self, answer: http::Response<hyper::body::Incoming>) -> Result<(), String> {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| format!("{e:?}"))?;
        let body = body.to_bytes();
        if head.status != 200 || !body.ends_with(b" POST /work 1000") {
            return Err(format!("{} {body:?}", head.status));
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn request(uri: &str) -> http::Request<Body> {
    http::Request::post(uri)
        .header("host", "service")
        .body(Full::new(Bytes::from_static(&[b'x'; 1000])))
        .unwrap()
}

async fn over_http1(address: SocketAddr, flow: Arc<Flow>) -> Vec<String> {
    let mut failures = Vec::new();
    while !flow.over.load(Ordering::Relaxed) {
        let socket = flow.connect(address).await;
        let (mut sender, connection) = http1::handshake::<_, Body>(socket).await.unwrap();
        tokio::spawn(connection);
        while !flow.over.load(Ordering::Relaxed) && sender.ready().await.is_ok() {
            match sender.try_send_request(request("/work")).await {
                Ok(answer) => failures.extend(flow.take(answer).await.err()),
                // It was not sent: the connection had ended before, as it was announced.
                Err(mut e) => match e.take_message() {
                    Some(_) => break,
                    None => failures.push(format!("{:?}", e.into_error())),
                },
            }
        }
    }
    failures
}

async fn over_http2(address: SocketAddr, flow: Arc<Flow>) -> Vec<String> {
    let mut failures = Vec::new();
    while !flow.over.load(Ordering::Relaxed) {
        let socket = flow.connect(address).await;
        let (sender, connection) = http2::handshake::<_, _, Body>(TokioExecutor::new(), socket)
            .await
            .unwrap();
        tokio::spawn(connection);
        let several = (0..EACH).map(|_| tokio::spawn(on_one(sender.clone(), flow.clone())));
        for one in several.collect::<Vec<_>>() {
            failures.extend(one.await.unwrap());
        }
    }
    failures
}

async fn on_one(mut sender: http2::SendRequest<Body>, flow: Arc<Flow>) -> Vec<String> {
    let mut failures = Vec::new();
    while !flow.over.load(Ordering::Relaxed) && sender.ready().await.is_ok() {
        match sender
            .try_send_request(request("http://service/work"))
            .await
        {
            Ok(answer) => failures.extend(flow.take(answer).await.err()),
            Err(mut e) => match (e.take_message(), e.into_error()) {
                (Some(_), _) => break,
                (None, error) if is_crossing(&error) => {
                    flow.crossings.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                (None, error) => failures.push(format!("{error:?}")),
            },
        }
    }
    failures
}

/// Whether this client closed its connection, having read GOAWAY, in the moment in which a task of its own began a
/// request there: h2 does, and any client of it asks again elsewhere. Each connection can end so once at most for each
/// of its tasks.
fn is_crossing(error: &hyper::Error) -> bool {
    format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)")
}
