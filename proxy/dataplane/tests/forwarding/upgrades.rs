//! Upgrades: WebSocket by HTTP/1.1 and by the extended CONNECT of HTTP/2, in every pairing.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use graph::route::Action;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{free, lines, started};
use crate::raw;

/// A server of both versions that switches to a protocol of echoes; what is not asked of `/ws` it answers with 403.
pub async fn echoes() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                server.http2().enable_connect_protocol();
                let service = service_fn(switch);
                let _ = server
                    .serve_connection_with_upgrades(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    address
}

async fn switch(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let response = Response::builder();
    if request.uri().path() != "/ws" {
        return Ok(response.status(403).body(Empty::new()).unwrap());
    }
    let by_connect = request.extensions().get::<hyper::ext::Protocol>().cloned();
    let response = match by_connect {
        Some(protocol) => {
            assert_eq!(protocol.as_str(), "websocket");
            response.status(200)
        }
        None => {
            assert_eq!(request.headers()["upgrade"], "websocket");
            response
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
        }
    };
    tokio::spawn(async move {
        let io = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
        let (mut from, mut to) = tokio::io::split(io);
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    });
    Ok(response.body(Empty::new()).unwrap())
}

/// Sends before anything comes back, and goes on.
async fn converse(mut io: impl AsyncRead + AsyncWrite + Unpin, already: &[u8]) {
    let big = vec![b'x'; 200_000];
    let (mut from, mut to) = tokio::io::split(&mut io);
    let mut back = vec![0; already.len() + big.len()];
    let (read, written) = tokio::join!(from.read_exact(&mut back), to.write_all(&big));
    written.unwrap();
    read.unwrap();
    assert!(back.starts_with(already));
    assert!(back[already.len()..] == big);
    for turn in 0..10 {
        io.write_all(&[turn; 7]).await.unwrap();
        let mut back = [0; 7];
        io.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [turn; 7]);
    }
}

const ASKED: &str =
    "GET /ws HTTP/1.1\r\nhost: service\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/// A client of HTTP/1.1 that does not wait for the answer with its first bytes.
pub async fn by_http1(address: SocketAddr) {
    let mut socket = BufReader::new(TcpStream::connect(address).await.unwrap());
    socket.write_all(ASKED.as_bytes()).await.unwrap();
    socket.write_all(b"at once").await.unwrap();
    let answer = raw::read(&mut socket, true).await.unwrap();
    assert_eq!(answer.head[0], "HTTP/1.1 101 Switching Protocols");
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    converse(socket, b"at once").await;
}

async fn by_http2(address: SocketAddr) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    tokio::spawn(connection);
    // Its SETTINGS tell that extended CONNECT is understood.
    sender.ready().await.unwrap();
    loop {
        let mut request = Request::builder()
            .method("CONNECT")
            .uri("http://service/ws")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let protocol = hyper::ext::Protocol::from_static("websocket");
        request.extensions_mut().insert(protocol);
        match sender.send_request(request).await {
            Ok(response) => {
                assert_eq!(response.status(), 200);
                let io = hyper::upgrade::on(response).await.unwrap();
                return converse(TokioIo::new(io), b"").await;
            }
            Err(error) => {
                let text = format!("{error:?}");
                assert!(
                    text.contains("ExtendedConnect") || text.contains("xtended"),
                    "{text}"
                );
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_passes_in_every_pairing_of_versions() {
    let directory = tempfile::tempdir().unwrap();
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let log = directory.path().join(format!("{protocol:?}"));
        let upstream = echoes().await;
        let address = free();
        let forwards = manager(
            vec![route("/", Action::Forward(Box::new(forward(0))))],
            log.to_str().unwrap(),
        );
        let graph = graph(
            address,
            http(forwards),
            vec![cluster(0, &[upstream], protocol)],
        );
        let _plane = started(address, &graph).await;
        by_http1(address).await;
        by_http2(address).await;
        for line in lines(&log, 2).await {
            assert!(line.starts_with("GET /ws HTTP/"), "{line}");
            // By HTTP/1 the client's connection ends, by HTTP/2 its stream is reset.
            let ended = line.contains(" 101 DC ") || line.contains(" 101 DR ");
            assert!(ended, "{line}");
        }
    }
}

#[tokio::test]
async fn a_refused_upgrade_leaves_the_connection_to_the_next_request() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let upstream = echoes().await;
    let address = free();
    let forwards = manager(
        vec![route("/", Action::Forward(Box::new(forward(0))))],
        log.to_str().unwrap(),
    );
    let clusters = vec![cluster(0, &[upstream], UpstreamProtocol::Http1)];
    let _plane = started(address, &graph(address, http(forwards), clusters)).await;
    let mut socket = BufReader::new(TcpStream::connect(address).await.unwrap());
    let refused = ASKED.replace("/ws", "/other");
    for _ in 0..2 {
        socket.write_all(refused.as_bytes()).await.unwrap();
        let answer = raw::read(&mut socket, true).await.unwrap();
        assert_eq!(answer.head[0], "HTTP/1.1 403 Forbidden");
    }
    // An upgrade that the manager does not know is refused before anybody else sees it.
    let unknown = ASKED.replace("websocket", "chess");
    socket.write_all(unknown.as_bytes()).await.unwrap();
    let answer = raw::read(&mut socket, true).await.unwrap();
    assert_eq!(answer.head[0], "HTTP/1.1 403 Forbidden");
    let logged = lines(&log, 3).await;
    assert!(logged[2].contains("upgrade_failed"), "{logged:?}");
}

#[tokio::test]
async fn an_endpoint_that_ends_its_websocket_ends_the_clients() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, _) = raw::server(|_| {
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx: connection: close\r\n\r\nbye"
    })
    .await;
    let address = free();
    let forwards = manager(
        vec![route("/", Action::Forward(Box::new(forward(0))))],
        log.to_str().unwrap(),
    );
    let clusters = vec![cluster(0, &[upstream], UpstreamProtocol::Http1)];
    let _plane = started(address, &graph(address, http(forwards), clusters)).await;
    let mut socket = BufReader::new(TcpStream::connect(address).await.unwrap());
    socket.write_all(ASKED.as_bytes()).await.unwrap();
    let answer = raw::read(&mut socket, true).await.unwrap();
    assert_eq!(answer.head[0], "HTTP/1.1 101 Switching Protocols");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"bye");
}
