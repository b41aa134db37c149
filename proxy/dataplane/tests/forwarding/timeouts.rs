//! What takes too long, answered as Envoy 1.40 answers it. Configured times are short; none is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use graph::chain::{Network, TcpProxy};
use graph::cluster::{Cluster, UpstreamProtocol};
use graph::manager::HttpManager;
use graph::policy::Retry;
use graph::route::{Action, Forward};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::graphs::{cluster, forward, graph, http, manager, route, tcp};
use crate::peers::{free, http2, lines, started};

const SHORT: Duration = Duration::from_millis(60);
const GET: &str = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
const BEGIN: &str = "GET /begin HTTP/1.1\r\nhost: a\r\n\r\n";
const QUICK: &str = "GET /quick HTTP/1.1\r\nhost: a\r\n\r\n";
const PART: &str = "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab";
const EARLY: &str = "POST /quick HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab";
const HEAD: &str = "GET / HT";
const GRPC: &str =
    "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n";

/// A server that answers `/quick`, begins to answer `/begin`, and leaves everything else unanswered.
async fn slow() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(socket));
        }
    });
    address
}

async fn answer(mut socket: TcpStream) {
    let mut seen = Vec::new();
    while socket.read_buf(&mut seen).await.is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&seen);
        if !text.contains("\r\n\r\n") {
            continue;
        }
        let answer = match text.split(' ').nth(1) {
            Some("/quick") => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Some("/begin") => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            _ => continue,
        };
        seen.clear();
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A data plane in front of the slow server.
struct Front {
    _plane: dataplane::DataPlane,
    _directory: tempfile::TempDir,
    address: SocketAddr,
    log: std::path::PathBuf,
}

impl Front {
    async fn with(change: impl FnOnce(&mut HttpManager, &mut Forward, &mut Cluster)) -> Front {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut forward = forward(0);
        let mut manager = manager(Vec::new(), log.to_str().unwrap());
        let mut cluster = cluster(0, &[slow().await], UpstreamProtocol::Http1);
        change(&mut manager, &mut forward, &mut cluster);
        let routes = crate::graphs::manager(
            vec![route("/", Action::Forward(Box::new(forward)))],
            "unused",
        );
        manager.routes = routes.routes;
        let address = free();
        let plane = started(address, &graph(address, http(manager), vec![cluster])).await;
        Front {
            _plane: plane,
            _directory: directory,
            address,
            log,
        }
    }

    /// The status line's code, the body, and whether the connection ended.
    async fn ask(&self, request: &str) -> (u16, String, bool) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let whole = read(&mut socket).await;
        let status = whole.0.split(' ').nth(1).map_or(0, |s| s.parse().unwrap());
        let body = whole.0.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned(), whole.1)
    }

    /// Status, flags and details of the only line.
    async fn line(&self) -> String {
        let lines = lines(&self.log, 1).await;
        let words: Vec<&str> = lines[0].split(' ').collect();
        words[..6].join(" ")
    }
}

/// Reads an answer to its end: whether the connection ended with it, or before.
async fn read(socket: &mut TcpStream) -> (String, bool) {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        let length = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "))?;
            Some((length.parse::<usize>().unwrap(), body.len()))
        });
        if length.is_some_and(|(all, had)| all == had) && !text.contains("connection: close") {
            return (text, false);
        }
        match socket.read_buf(&mut seen).await {
            Ok(n) if n > 0 => {}
            _ => return (text, true),
        }
    }
}

/// What Envoy 1.40 answers and logs to a request (seen with the same settings in both).
async fn expect(front: Front, request: &str, answer: (u16, &str, bool), line: &str) {
    let seen = front.ask(request).await;
    assert_eq!((seen.0, &seen.1[..], seen.2), answer, "{request}");
    assert_eq!(front.line().await, line, "{request}");
}

#[tokio::test]
async fn a_stream_on_which_nothing_passes_ends() {
    let idle = || Front::with(|manager, _, _| manager.stream_idle_timeout = SHORT);
    let said = "stream timeout";
    expect(
        idle().await,
        GET,
        (504, said, false),
        "GET /slow HTTP/1.1 504 SI stream_idle_timeout",
    )
    .await;
    expect(
        idle().await,
        PART,
        (408, said, true),
        "POST /slow HTTP/1.1 408 SI stream_idle_timeout",
    )
    .await;
    expect(
        idle().await,
        BEGIN,
        (200, "abc", true),
        "GET /begin HTTP/1.1 200 SI stream_idle_timeout",
    )
    .await;
    expect(
        idle().await,
        HEAD,
        (408, said, true),
        "- - HTTP/1.1 408 SI stream_idle_timeout",
    )
    .await;
    expect(
        idle().await,
        GRPC,
        (200, "", false),
        "POST /slow HTTP/1.1 200 SI stream_idle_timeout",
    )
    .await;
}

#[tokio::test]
async fn a_routes_idle_timeout_replaces_the_managers() {
    let shorter = Front::with(|manager, forward, _| {
        manager.stream_idle_timeout = Duration::from_secs(3600);
        Arc::make_mut(&mut forward.how).idle_timeout = Some(SHORT);
    });
    expect(
        shorter.await,
        GET,
        (504, "stream timeout", false),
        "GET /slow HTTP/1.1 504 SI stream_idle_timeout",
    )
    .await;
    // Were it not switched off here, the idle timeout would come first.
    let none = Front::with(|manager, forward, _| {
        manager.stream_idle_timeout = SHORT;
        Arc::make_mut(&mut forward.how).idle_timeout = Some(Duration::ZERO);
        Arc::make_mut(&mut forward.how).timeout = SHORT * 4;
    });
    expect(
        none.await,
        GET,
        (504, "upstream request timeout", false),
        "GET /slow HTTP/1.1 504 UT response_timeout",
    )
    .await;
}

#[tokio::test]
async fn bytes_that_pass_keep_a_stream_alive() {
    let front = Front::with(|manager, _, _| manager.stream_idle_timeout = SHORT * 4).await;
    let mut socket = TcpStream::connect(front.address).await.unwrap();
    let head = "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    // Longer than the timeout in all, shorter each time.
    for _ in 0..8 {
        tokio::time::sleep(SHORT).await;
        socket.write_all(b"x").await.unwrap();
    }
    let (text, _) = read(&mut socket).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    let line = lines(&front.log, 1).await.remove(0);
    assert!(line.contains(" 408 SI stream_idle_timeout 8 "), "{line}");
}

#[tokio::test]
async fn a_stream_of_http2_on_which_nothing_passes_ends_alone() {
    let front = Front::with(|manager, _, _| manager.stream_idle_timeout = SHORT).await;
    let mut client = http2(front.address).await;
    let get = |path: &str| {
        ::http::Request::get(format!("http://a{path}"))
            .body(http_body_util::Full::<Bytes>::default())
            .unwrap()
    };
    let late = client.send_request(get("/slow")).await.unwrap();
    assert_eq!(late.status(), 504);
    let broken = client.send_request(get("/begin")).await.unwrap();
    assert_eq!(broken.status(), 200);
    let end = broken.into_body().collect().await;
    assert!(end.is_err());
    let quick = client.send_request(get("/quick")).await.unwrap();
    assert_eq!(quick.status(), 200, "on the same connection");
}

#[tokio::test]
async fn a_request_that_does_not_come_to_its_end_is_answered() {
    let request = || Front::with(|manager, _, _| manager.request_timeout = SHORT);
    let said = "request timeout";
    expect(
        request().await,
        PART,
        (408, said, true),
        "POST /slow HTTP/1.1 408 - request_overall_timeout",
    )
    .await;
    expect(
        request().await,
        HEAD,
        (408, said, true),
        "- - HTTP/1.1 408 - request_overall_timeout",
    )
    .await;
    // An answer that begins before that is no longer in question.
    expect(
        request().await,
        EARLY,
        (200, "ok", true),
        "POST /quick HTTP/1.1 200 - via_upstream",
    )
    .await;
    let headers = || Front::with(|manager, _, _| manager.request_headers_timeout = SHORT);
    expect(
        headers().await,
        HEAD,
        (408, "request header timeout", true),
        "- - HTTP/1.1 408 - request_header_timeout",
    )
    .await;
}

#[tokio::test]
async fn a_stream_ends_after_its_longest_duration() {
    let longest = || Front::with(|manager, _, _| manager.max_stream_duration = SHORT);
    let said = "downstream duration timeout";
    let get = "GET /slow HTTP/1.1 504 - max_duration_timeout";
    expect(longest().await, GET, (504, said, false), get).await;
    expect(
        longest().await,
        PART,
        (408, said, true),
        "POST /slow HTTP/1.1 408 - max_duration_timeout",
    )
    .await;
    expect(
        longest().await,
        BEGIN,
        (200, "abc", true),
        "GET /begin HTTP/1.1 200 - max_duration_timeout",
    )
    .await;
    let of_route = Front::with(|manager, forward, _| {
        manager.max_stream_duration = Duration::from_secs(3600);
        Arc::make_mut(&mut forward.how).max_stream_duration = Some(SHORT);
    });
    expect(of_route.await, GET, (504, said, false), get).await;
    let of_cluster = Front::with(|_, _, cluster| {
        Arc::make_mut(&mut cluster.settings).max_stream_duration = SHORT
    });
    expect(
        of_cluster.await,
        GET,
        (504, "upstream max stream duration reached", false),
        "GET /slow HTTP/1.1 504 UMSDR upstream_max_stream_duration_reached",
    )
    .await;
    let asked = Front::with(|_, forward, _| {
        Arc::make_mut(&mut forward.how).grpc_timeout_header_max = Some(Duration::ZERO);
    })
    .await;
    let grpc = GRPC.replace("host:", "grpc-timeout: 60m\r\nhost:");
    let mut socket = TcpStream::connect(asked.address).await.unwrap();
    socket.write_all(grpc.as_bytes()).await.unwrap();
    let (text, _) = read(&mut socket).await;
    assert!(text.contains("\r\ngrpc-status: 4\r\n"), "{text}");
}

#[tokio::test]
async fn times_of_an_answer_begin_when_the_request_is_whole() {
    let front = Front::with(|manager, forward, _| {
        Arc::make_mut(&mut forward.how).timeout = SHORT;
        Arc::make_mut(&mut forward.how).retry = Some(Arc::new(Retry {
            per_try_timeout: SHORT / 2,
            ..Retry::default()
        }));
        manager.request_timeout = SHORT * 4;
    })
    .await;
    // The request is not whole: only the time for that counts.
    let (status, body, _) = front.ask(PART).await;
    assert_eq!((status, &body[..]), (408, "request timeout"));
    let (status, body, _) = front.ask(GET).await;
    assert_eq!((status, &body[..]), (504, "upstream request timeout"));
    let line = lines(&front.log, 2).await.remove(1);
    assert!(line.contains(" 504 UT upstream_per_try_timeout "), "{line}");
}

#[tokio::test]
async fn a_clients_connection_ends_when_idle_or_old_and_never_during_a_request() {
    let idle = Front::with(|manager, _, _| {
        manager.idle_timeout = SHORT;
        manager.drain_timeout = SHORT;
    });
    let old = Front::with(|manager, _, _| {
        manager.max_connection_duration = SHORT;
        manager.drain_timeout = SHORT;
        manager.stream_idle_timeout = SHORT * 6;
    });
    for (front, then) in [(idle.await, QUICK), (old.await, GET)] {
        let mut unused = TcpStream::connect(front.address).await.unwrap();
        assert_eq!(unused.read(&mut [0; 10]).await.unwrap(), 0);
        let mut socket = TcpStream::connect(front.address).await.unwrap();
        socket.write_all(then.as_bytes()).await.unwrap();
        let (text, _) = read(&mut socket).await;
        let status = if then == GET { "504" } else { "200" };
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert_eq!(socket.read(&mut [0; 10]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_old_connection_of_http2_is_left_by_its_client_without_losing_a_request() {
    let front = Front::with(|manager, _, _| {
        manager.max_connection_duration = SHORT;
        manager.stream_idle_timeout = SHORT * 4;
    })
    .await;
    let mut client = http2(front.address).await;
    let request = ::http::Request::get("http://a/slow")
        .body(http_body_util::Full::<Bytes>::default())
        .unwrap();
    // Under way when the connection is old: it has its answer.
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 504);
    let gone = async {
        while client.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("GOAWAY");
}

#[tokio::test]
async fn an_endpoints_connection_is_replaced_when_idle_or_old() {
    for by_age in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut upstream = cluster(
            0,
            &[listener.local_addr().unwrap()],
            UpstreamProtocol::Http1,
        );
        match by_age {
            true => Arc::make_mut(&mut upstream.settings).max_connection_duration = SHORT,
            false => Arc::make_mut(&mut upstream.settings).idle_timeout = SHORT,
        }
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
        let network = http(manager(routes, log.to_str().unwrap()));
        let address = free();
        let _plane = started(address, &graph(address, network, vec![upstream])).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            client.write_all(QUICK.as_bytes()).await.unwrap();
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let n = socket.read(&mut head).await.unwrap();
            assert!(head[..n].starts_with(b"GET /quick"));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            socket.write_all(answer).await.unwrap();
            assert_eq!(read(&mut client).await.0.split(' ').nth(1), Some("200"));
            assert_eq!(socket.read(&mut head).await.unwrap(), 0, "it was closed");
        }
    }
}

#[tokio::test]
async fn a_connection_of_bytes_ends_when_idle_or_old() {
    let upstream = slow().await;
    for by_age in [false, true] {
        let Network::Tcp(plain) = tcp(0) else {
            panic!("tcp makes a proxy of bytes")
        };
        let mut proxy = TcpProxy {
            stat_prefix: "tcp".into(),
            clusters: plain.clusters.clone(),
            total_weight: 1,
            idle_timeout: SHORT,
            max_connection_duration: Duration::ZERO,
            hashes_source: false,
            max_connect_attempts: 1,
            access_logs: Vec::new(),
            stats: None,
        };
        if by_age {
            proxy.idle_timeout = Duration::ZERO;
            proxy.max_connection_duration = SHORT;
        }
        let address = free();
        let clusters = vec![cluster(0, &[upstream], UpstreamProtocol::Http1)];
        let network = Network::Tcp(Arc::new(proxy));
        let _plane = started(address, &graph(address, network, clusters)).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        assert_eq!(client.read(&mut [0; 10]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_told_to_send_its_body() {
    let request =
        "POST /quick HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let front = Front::with(|_, _, _| {}).await;
    let mut socket = TcpStream::connect(front.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    socket.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"hi").await.unwrap();
    let (text, _) = read(&mut socket).await;
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
}
