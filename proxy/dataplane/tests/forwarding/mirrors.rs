//! Copies of requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dataplane::DataPlane;
use graph::cluster::{ClusterId, UpstreamProtocol};
use graph::route::{Action, Mirror};
use tokio::net::TcpListener;

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{ask1, ask2, free, http1, http2, lines, server, started};
use crate::raw::{self, Message};

const ALL: u32 = 1_000_000;

/// A plane that sends requests to `main` and copies of so many of a million to `copies`.
async fn plane(
    main: SocketAddr,
    copies: SocketAddr,
    fraction: u32,
    protocol: UpstreamProtocol,
    log: &std::path::Path,
) -> (SocketAddr, DataPlane) {
    let mut forward = forward(0);
    Arc::make_mut(&mut forward.how).mirrors = vec![Mirror {
        cluster: ClusterId(1),
        fraction,
        marks_host: true,
    }];
    let routes = vec![route("/", Action::Forward(Box::new(forward)))];
    let address = free();
    let clusters = vec![
        cluster(0, &[main], UpstreamProtocol::Downstream),
        cluster(1, &[copies], protocol),
    ];
    let graph = graph(
        address,
        http(manager(routes, log.to_str().unwrap())),
        clusters,
    );
    (address, started(address, &graph).await)
}

async fn seen(by: &Mutex<Vec<Message>>, count: usize) -> Vec<Message> {
    while by.lock().unwrap().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    by.lock().unwrap().clone()
}

fn without(message: &Message, names: &[&str]) -> Message {
    let mut message = message.clone();
    message.head.retain(|line| {
        !names
            .iter()
            .any(|name| line.starts_with(&format!("{name}: ")))
    });
    message
}

const OK: raw::Script = |_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_copy_is_what_the_endpoint_got_but_for_envoys_marks() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (main, asked) = raw::server(OK).await;
    let (copies, copied) = raw::server(OK).await;
    let (address, _plane) = plane(main, copies, ALL, UpstreamProtocol::Downstream, &log).await;
    let requests = [
        "GET /a?b=c HTTP/1.1\r\nhost: service:80\r\nx-forwarded-for: 10.0.0.1\r\nx-mine: 1\r\n\r\n",
        "POST /sized HTTP/1.1\r\nhost: service:80\r\nx-forwarded-for: 10.0.0.1\r\ncontent-length: 5\r\n\r\nhello",
        "POST /chunks HTTP/1.1\r\nhost: service:80\r\nx-forwarded-for: 10.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    ];
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(raw::ask(address, request).await[0].body, b"ok");
        let count = number + 1;
        let (original, copy) = (seen(&asked, count).await, seen(&copied, count).await);
        let (original, copy) = (&original[number], &copy[number]);
        assert_eq!(copy.field("host"), Some("service-shadow:80"));
        assert_eq!(copy.field("x-envoy-internal"), Some("true"));
        assert_eq!(copy.field("x-forwarded-for"), Some("10.0.0.1,127.0.0.1"));
        let marks = ["host", "x-envoy-internal", "x-forwarded-for"];
        assert_eq!(without(copy, &marks), without(original, &marks));
    }
    let logged = lines(&log, requests.len()).await;
    assert_eq!(logged.len(), requests.len(), "{logged:?}");
    assert!(
        logged.iter().all(|l| l.ends_with(" cluster-0")),
        "{logged:?}"
    );
}

#[tokio::test]
async fn as_many_are_copied_as_the_fraction_says() {
    let directory = tempfile::tempdir().unwrap();
    for (fraction, expected) in [(0, 0..1), (ALL / 2, 60..141), (ALL, 200..201)] {
        let log = directory.path().join(fraction.to_string());
        let (main, _) = server("main").await;
        let (copies, copied) = raw::server(OK).await;
        let (address, _plane) = plane(main, copies, fraction, UpstreamProtocol::Http1, &log).await;
        let mut client = http1(address).await;
        for _ in 0..200 {
            let answer = ask1(&mut client, "GET", "/", Bytes::new()).await;
            assert_eq!(&answer.body[..], b"main GET / 0");
        }
        let copied = seen(&copied, expected.start).await.len();
        assert!(expected.contains(&copied), "{fraction}: {copied}");
    }
}

#[tokio::test]
async fn nobody_waits_for_copies() {
    let directory = tempfile::tempdir().unwrap();
    let dead = free();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let held = Arc::new(Mutex::new(Vec::new()));
    let sockets = held.clone();
    let silent_address = silent.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = silent.accept().await.unwrap();
            sockets.lock().unwrap().push(socket);
        }
    });
    for (name, copies) in [("dead", dead), ("silent", silent_address)] {
        for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
            let log = directory.path().join(format!("{name}-{protocol:?}"));
            let (main, _) = server("main").await;
            let (address, _plane) = plane(main, copies, ALL, protocol, &log).await;
            let body = Bytes::from(vec![b'x'; 8 << 20]);
            let mut one = http1(address).await;
            let mut two = http2(address).await;
            for _ in 0..3 {
                for answer in [
                    ask1(&mut one, "POST", "/echo", body.clone()).await,
                    ask2(&mut two, "POST", "/echo", body.clone()).await,
                ] {
                    assert_eq!(answer.status, 200);
                    assert!(answer.body == body);
                }
            }
            assert_eq!(lines(&log, 6).await.len(), 6);
        }
    }
}
