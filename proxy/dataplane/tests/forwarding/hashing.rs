//! Consistent hashing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use dataplane::DataPlane;
use graph::cluster::{Balancing, UpstreamProtocol};
use graph::route::{Action, HashOf, HashPolicy};
use http::Request;
use http_body_util::Full;

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{Answer, free, http1, server, started, whole};

const RING: Balancing = Balancing::RingHash {
    minimum: 1024,
    maximum: 8 << 20,
};
const MAGLEV: Balancing = Balancing::Maglev { size: 65_537 };

async fn plane(balancing: Balancing, of: HashOf, log: &std::path::Path) -> (SocketAddr, DataPlane) {
    let mut endpoints = Vec::new();
    for name in ["one", "two", "three"] {
        endpoints.push(server(name).await.0);
    }
    let mut forward = forward(0);
    Arc::make_mut(&mut forward.how).hash = vec![HashPolicy {
        of,
        terminal: false,
    }];
    let routes = vec![route("/", Action::Forward(Box::new(forward)))];
    let mut cluster = cluster(0, &endpoints, UpstreamProtocol::Http1);
    Arc::make_mut(&mut cluster.settings).balancing = balancing;
    let address = free();
    let network = http(manager(routes, log.to_str().unwrap()));
    let graph = graph(address, network, vec![cluster]);
    (address, started(address, &graph).await)
}

/// Asks on a connection of its own with one header more.
async fn ask(address: SocketAddr, path: &str, header: (&str, &str)) -> Answer {
    let mut sender = http1(address).await;
    let request = Request::builder()
        .uri(path)
        .header("host", "service")
        .header(header.0, header.1)
        .body(Full::new(Bytes::new()))
        .unwrap();
    whole(sender.send_request(request).await.unwrap()).await
}

fn name(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    text.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn requests_of_one_hash_go_to_one_endpoint_and_others_to_all() {
    let directory = tempfile::tempdir().unwrap();
    for balancing in [RING, MAGLEV] {
        let by_header = HashOf::Header(b"x-user"[..].into());
        let by_query = HashOf::Query(b"user"[..].into());
        for of in [by_header, by_query] {
            let (address, _plane) = plane(balancing, of, &directory.path().join("log")).await;
            let mut used = BTreeSet::new();
            for user in 0..30 {
                let user = user.to_string();
                let path = format!("/?other=1&user={user}");
                let first = name(&ask(address, &path, ("x-user", &user)).await);
                for _ in 0..3 {
                    let again = ask(address, &path, ("x-user", &user)).await;
                    assert_eq!(name(&again), first, "{balancing:?}");
                }
                used.insert(first);
            }
            assert_eq!(used.len(), 3, "{balancing:?}: {used:?}");
        }
    }
}

#[tokio::test]
async fn a_client_without_the_cookie_gets_one_that_brings_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let of = HashOf::Cookie {
        name: b"session"[..].into(),
        path: "/shop".into(),
        ttl: Some(std::time::Duration::from_secs(60)),
    };
    let (address, _plane) = plane(RING, of, &directory.path().join("log")).await;
    let mut used = BTreeSet::new();
    for _ in 0..20 {
        let first = ask(address, "/", ("x", "y")).await;
        let cookie = first.headers["set-cookie"].to_str().unwrap().to_owned();
        assert!(
            cookie.ends_with("; Max-Age=60; Path=/shop; HttpOnly"),
            "{cookie}"
        );
        let pair = cookie.split(';').next().unwrap();
        let again = ask(address, "/", ("cookie", &format!("a=b; {pair}"))).await;
        assert!(!again.headers.contains_key("set-cookie"));
        assert_eq!(name(&again), name(&first));
        used.insert(name(&first));
    }
    assert!(used.len() > 1, "{used:?}");
}

#[tokio::test]
async fn all_requests_of_one_address_go_to_one_endpoint() {
    let directory = tempfile::tempdir().unwrap();
    let (address, _plane) = plane(MAGLEV, HashOf::SourceIp, &directory.path().join("log")).await;
    let first = name(&ask(address, "/", ("x", "y")).await);
    for _ in 0..20 {
        assert_eq!(name(&ask(address, "/", ("x", "y")).await), first);
    }
}
