//! HTTP/1.1 with an Envoy at the other end, which knows nothing of carrying it in HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use graph::manager::AlpnOverrides;
use graph::route::Action;
use graph::tls::HTTP1_IN_HTTP2;

use crate::authority::{Authority, SERVER};
use crate::envoy::{Envoy, Side};
use crate::graphs::{cluster, forward, graph, http, manager, route, secured};
use crate::peers::{ask1, free, http1, server, started};

async fn many_clients(entry: std::net::SocketAddr) {
    let tasks = (0..10).map(|client| async move {
        let mut sender = http1(entry).await;
        for turn in 0..5 {
            let body = Bytes::from(format!("{client}-{turn}-").repeat(2000));
            let answer = ask1(&mut sender, "POST", "/echo", body.clone()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.headers["seen-version"], "HTTP/1.1");
            assert!(answer.body == body);
        }
    });
    for task in tasks.map(tokio::spawn).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn our_client_speaks_plain_http1_with_an_envoy() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (upstream, _) = server("one").await;
    let envoy = Envoy::start(Side::Server, &authority, upstream);
    let log = directory.path().join("log");
    let mut outbound = manager(
        vec![route("/", Action::Forward(Box::new(forward(0))))],
        log.to_str().unwrap(),
    );
    let offered = [&b"istio-http/1.1"[..], b"istio", b"http/1.1"];
    outbound.filters.alpn = Some(AlpnOverrides {
        http11: offered.iter().map(|p| p.to_vec()).collect(),
        ..AlpnOverrides::default()
    });
    let mut towards = cluster(0, &[envoy.address], UpstreamProtocol::Downstream);
    Arc::make_mut(&mut towards.settings).limits.connections = u32::MAX;
    towards.transports = vec![authority.client(&[b"istio"], SERVER)];
    let entry = free();
    let _plane = started(entry, &graph(entry, http(outbound), vec![towards])).await;
    many_clients(entry).await;
}

#[tokio::test]
async fn our_server_speaks_plain_http1_with_an_envoy() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (upstream, _) = server("one").await;
    let log = directory.path().join("log");
    let inbound = manager(
        vec![route("/", Action::Forward(Box::new(forward(0))))],
        log.to_str().unwrap(),
    );
    let address = free();
    let serving = secured(
        address,
        Some(authority.server(&[HTTP1_IN_HTTP2, b"h2", b"http/1.1"])),
        http(inbound),
        vec![cluster(0, &[upstream], UpstreamProtocol::Downstream)],
    );
    let _plane = started(address, &serving).await;
    let envoy = Envoy::start(Side::Client, &authority, address);
    many_clients(envoy.address).await;
}
