//! HTTP/1.1 carried in one HTTP/2 connection between two of us, and what is not carried.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dataplane::DataPlane;
use graph::cluster::{Cluster, UpstreamProtocol};
use graph::manager::{AlpnOverrides, ClientCertDetails, ForwardClientCert};
use graph::route::Action;
use graph::tls::HTTP1_IN_HTTP2;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::authority::{Authority, SERVER};
use crate::graphs::{cluster, forward, graph, http, manager, route, secured};
use crate::peers::{ask1, ask2, free, http1, http2, lines, server, started};
use crate::{raw, upgrades};

/// What Istio's filter offers for HTTP/1.1.
const MESH: [&[u8]; 3] = [b"istio-http/1.1", b"istio", b"http/1.1"];

/// client -> plane -> mutual TLS, its connections counted -> plane -> upstream
struct Pair {
    entry: SocketAddr,
    connections: Arc<AtomicU64>,
    serving: DataPlane,
    _calling: DataPlane,
}

impl Pair {
    fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A pair whose server speaks `alpn`; `limits` may change the client's cluster.
async fn pair(
    upstream: SocketAddr,
    alpn: &[&[u8]],
    logs: &Path,
    limits: impl FnOnce(&mut Cluster),
) -> Pair {
    let authority = Authority::new();
    let middle = free();
    let forwards = |log: &str| {
        let log = logs.join(log);
        manager(
            vec![route("/", Action::Forward(Box::new(forward(0))))],
            log.to_str().unwrap(),
        )
    };
    let mut inbound = forwards("inbound");
    inbound.stat_prefix = "inbound_test".into();
    inbound.forward_client_cert = ForwardClientCert::AppendForward;
    inbound.set_current_client_cert = ClientCertDetails {
        uri: true,
        ..Default::default()
    };
    let serving = secured(
        middle,
        Some(authority.server(alpn)),
        http(inbound),
        vec![cluster(0, &[upstream], UpstreamProtocol::Downstream)],
    );
    let serving = started(middle, &serving).await;
    let (relay, connections) = relay(middle).await;
    let (entry, calling) = calling(&authority, relay, forwards("outbound"), limits).await;
    Pair {
        entry,
        connections,
        serving,
        _calling: calling,
    }
}

/// The plane of the client: all requests go to `towards` by mutual TLS with what Istio's filter offers.
async fn calling(
    authority: &Authority,
    towards: SocketAddr,
    mut outbound: graph::manager::HttpManager,
    limits: impl FnOnce(&mut Cluster),
) -> (SocketAddr, DataPlane) {
    let entry = free();
    let offered = |all: [&[u8]; 3]| all.iter().map(|p| p.to_vec()).collect();
    outbound.filters.alpn = Some(AlpnOverrides {
        http10: offered([b"istio-http/1.0", b"istio", b"http/1.0"]),
        http11: offered(MESH),
        http2: offered([b"istio-h2", b"istio", b"h2"]),
    });
    let mut cluster = cluster(0, &[towards], UpstreamProtocol::Downstream);
    Arc::make_mut(&mut cluster.settings).limits.connections = u32::MAX;
    cluster.transports = vec![authority.client(&[b"istio"], SERVER)];
    limits(&mut cluster);
    let graph = graph(entry, http(outbound), vec![cluster]);
    (entry, started(entry, &graph).await)
}

/// Passes bytes on and counts connections.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut to = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    (address, count)
}

/// What our own servers have for chains of HTTP.
fn own() -> [&'static [u8]; 3] {
    [HTTP1_IN_HTTP2, b"h2", b"http/1.1"]
}

async fn many_clients(entry: SocketAddr, clients: usize, each: usize) {
    let tasks = (0..clients).map(|client| async move {
        let mut sender = http1(entry).await;
        for turn in 0..each {
            let body = Bytes::from(format!("{client}-{turn}-").repeat(2000));
            let answer = ask1(&mut sender, "POST", "/echo", body.clone()).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body, body);
            assert_eq!(answer.headers["seen-version"], "HTTP/1.1");
            let certificate = answer.headers["seen-client-cert"].to_str().unwrap();
            assert!(
                certificate.starts_with(&format!("By={SERVER};Hash=")),
                "{certificate}"
            );
        }
    });
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn many_clients_of_http1_share_one_connection_between_two_of_us() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, _) = server("one").await;
    let pair = pair(upstream, &own(), directory.path(), |_| {}).await;
    many_clients(pair.entry, 40, 5).await;
    assert_eq!(pair.connections(), 1);
    for log in ["inbound", "outbound"] {
        for line in lines(&directory.path().join(log), 200).await {
            assert!(
                line.starts_with("POST /echo HTTP/1.1 200 - "),
                "{log}: {line}"
            );
        }
    }
}

#[tokio::test]
async fn http2_beside_it_has_a_connection_of_its_own_and_stays_http2() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, _) = server("one").await;
    let pair = pair(upstream, &own(), directory.path(), |_| {}).await;
    many_clients(pair.entry, 2, 2).await;
    let mut two = http2(pair.entry).await;
    for _ in 0..3 {
        let answer = ask2(&mut two, "GET", "/", Bytes::new()).await;
        assert_eq!(answer.headers["seen-version"], "HTTP/2.0");
    }
    assert_eq!(pair.connections(), 2);
}

#[tokio::test]
async fn a_server_that_does_not_agree_gets_plain_http1() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, _) = server("one").await;
    let pair = pair(upstream, &[b"h2", b"http/1.1"], directory.path(), |_| {}).await;
    many_clients(pair.entry, 10, 5).await;
    assert!(
        (2..=10).contains(&pair.connections()),
        "{}",
        pair.connections()
    );
}

#[tokio::test]
async fn a_cluster_that_bounds_its_connections_gets_them() {
    type Change = fn(&mut Cluster);
    let bounds: [Change; 2] = [
        |c| Arc::make_mut(&mut c.settings).limits.connections = 1000,
        |c| Arc::make_mut(&mut c.settings).max_requests_per_connection = 1000,
    ];
    for bound in bounds {
        let directory = tempfile::tempdir().unwrap();
        let (upstream, _) = server("one").await;
        let pair = pair(upstream, &own(), directory.path(), bound).await;
        many_clients(pair.entry, 10, 5).await;
        assert!(
            (2..=10).contains(&pair.connections()),
            "{}",
            pair.connections()
        );
    }
}

#[tokio::test]
async fn a_server_that_leaves_loses_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, _) = server("one").await;
    let pair = pair(upstream, &own(), directory.path(), |_| {}).await;
    many_clients(pair.entry, 2, 2).await;
    let load = tokio::spawn(many_clients(pair.entry, 20, 20));
    pair.serving.drain(false);
    load.await.unwrap();
    assert!(pair.connections() > 1, "{}", pair.connections());
}

#[tokio::test]
async fn an_upgrade_goes_by_plain_http1_on_a_connection_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = upgrades::echoes().await;
    let pair = pair(upstream, &own(), directory.path(), |_| {}).await;
    for number in 1..=2 {
        upgrades::by_http1(pair.entry).await;
        assert_eq!(pair.connections(), number);
    }
    let mut one = http1(pair.entry).await;
    for _ in 0..2 {
        assert_eq!(ask1(&mut one, "GET", "/", Bytes::new()).await.status, 403);
        assert_eq!(pair.connections(), 3);
    }
}

/// What the application answers, by path.
fn script(path: &str) -> &'static str {
    match path {
        "/sized" => {
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nx-a: 1\r\nx-a: 2\r\n\r\nhello"
        }
        "/chunked" => {
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"
        }
        "/empty" => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
        "/same" => "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n",
        "/hints" => {
            "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        }
        "/closing" => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end",
        "/named" => {
            "HTTP/1.1 200 OK\r\nconnection: x-mine\r\nx-mine: 1\r\nkeep-alive: 5\r\ncontent-length: 2\r\n\r\nok"
        }
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope",
    }
}

const REQUESTS: [&str; 18] = [
    "GET /sized HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /sized?query=%20 HTTP/1.1\r\nHost: Service:80\r\nCookie: a=1; b=2\r\nX-B: 1\r\nX-B: 2\r\nte: trailers\r\n\r\n",
    "HEAD /sized HTTP/1.1\r\nhost: service\r\n\r\n",
    "HEAD /chunked HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /chunked HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /empty HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /none HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /same HTTP/1.1\r\nhost: service\r\nif-none-match: \"1\"\r\n\r\n",
    "GET /hints HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /closing HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /named HTTP/1.1\r\nhost: service\r\nconnection: x-drop, close\r\nx-drop: 1\r\n\r\n",
    "POST /sized HTTP/1.1\r\nhost: service\r\ncontent-length: 5\r\n\r\nhello",
    "POST /sized HTTP/1.1\r\nhost: service\r\ncontent-length: 0\r\n\r\n",
    "POST /sized HTTP/1.1\r\nhost: service\r\n\r\n",
    "DELETE /none HTTP/1.1\r\nhost: service\r\n\r\n",
    "PUT /empty HTTP/1.1\r\nhost: service\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-end: 1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: service\r\n\r\n",
    "GET /nowhere HTTP/1.1\r\nhost:\r\n\r\n",
];

#[tokio::test]
async fn both_ends_see_what_plain_http1_would_have_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for (number, alpn) in [&own()[..], &[b"http/1.1"]].into_iter().enumerate() {
        let logs = directory.path().join(number.to_string());
        std::fs::create_dir(&logs).unwrap();
        let (upstream, asked) = raw::server(script).await;
        let pair = pair(upstream, alpn, &logs, |_| {}).await;
        let mut answers = Vec::new();
        for request in REQUESTS {
            let asked = raw::ask(pair.entry, request).await;
            answers.push(
                asked
                    .into_iter()
                    .map(raw::Message::comparable)
                    .collect::<Vec<_>>(),
            );
        }
        // The test is of what it says: two at a time need two connections, unless they are carried.
        let two = tokio::join!(
            raw::ask(pair.entry, REQUESTS[0]),
            raw::ask(pair.entry, REQUESTS[0])
        );
        assert_eq!(two.0[0].body, two.1[0].body);
        assert_eq!(pair.connections() == 1, number == 0);
        // The first plane has no route for `*`.
        let mut logged = lines(&logs.join("inbound"), REQUESTS.len() + 1).await;
        logged.extend(lines(&logs.join("outbound"), REQUESTS.len() + 2).await);
        for line in &mut logged {
            // The upstream's address differs.
            let end = line.rsplitn(3, ' ').nth(2).unwrap().len();
            line.truncate(end);
        }
        let asked: Vec<_> = asked.lock().unwrap().drain(..).collect();
        seen.push((asked, answers, logged));
    }
    let (plain, carried) = (seen.pop().unwrap(), seen.pop().unwrap());
    for ((request, carried), plain) in REQUESTS.iter().zip(&carried.1).zip(&plain.1) {
        assert!(!plain.is_empty(), "{request}");
        assert_eq!(carried, plain, "{request}");
    }
    let without_certificate = |m: raw::Message| {
        let mut m = m.comparable();
        m.head
            .retain(|line| !line.starts_with("x-forwarded-client-cert: "));
        m
    };
    for (carried, plain) in carried.0.into_iter().zip(plain.0) {
        assert!(carried.field("x-forwarded-client-cert").is_some());
        assert_eq!(without_certificate(carried), without_certificate(plain));
    }
    assert_eq!(carried.2, plain.2);
}

#[tokio::test]
async fn a_client_that_leaves_and_an_answer_that_breaks_look_as_over_http1() {
    let mut seen = Vec::new();
    for alpn in [&own()[..], &[b"http/1.1"]] {
        let directory = tempfile::tempdir().unwrap();
        let (upstream, asked) = raw::server(|path| match path {
            "/breaks" => {
                "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nx: connection: close\r\n\r\nhello"
            }
            _ => "",
        })
        .await;
        let pair = pair(upstream, alpn, directory.path(), |_| {}).await;
        let answers = raw::ask(pair.entry, "GET /breaks HTTP/1.1\r\nhost: service\r\n\r\n").await;
        assert!(answers.is_empty(), "{answers:?}");
        let mut socket = TcpStream::connect(pair.entry).await.unwrap();
        let request = b"GET /silent HTTP/1.1\r\nhost: service\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut socket, request)
            .await
            .unwrap();
        while asked.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(socket);
        let mut logged = lines(&directory.path().join("inbound"), 2).await;
        logged.extend(lines(&directory.path().join("outbound"), 2).await);
        for line in &mut logged {
            let end = line.rsplitn(3, ' ').nth(2).unwrap().len();
            line.truncate(end);
        }
        seen.push(logged);
    }
    assert_eq!(seen[0], seen[1]);
}
