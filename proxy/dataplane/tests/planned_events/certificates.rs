//! Certificates change.

use std::sync::Arc;

use graph::Graph;
use graph::chain::FilterChain;
use graph::cluster::UpstreamProtocol;
use graph::listener::Listener;
use graph::route::Action;

use crate::authority::{Authority, SERVER};
use crate::graphs::{cluster, forward, graph, http, manager, route, secured};
use crate::load::Load;
use crate::peers::{free, server, started};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_go_on_while_both_sides_get_new_certificates() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let alpn: &[&[u8]] = match protocol {
            UpstreamProtocol::Http2 => &[b"h2"],
            _ => &[b"http/1.1"],
        };
        let authority = Authority::new();
        let (workload, accepted) = server("one").await;
        let (entry, middle) = (free(), free());
        let all = || {
            manager(
                vec![route("/", Action::Forward(Box::new(forward(0))))],
                "/dev/null",
            )
        };
        let inbound = http(all());
        let serving = || {
            // As the compiler makes it: the same filter behind other secrets.
            secured(
                middle,
                Some(authority.server(alpn)),
                inbound.clone(),
                vec![cluster(0, &[workload], protocol)],
            )
        };
        let calling = graph(entry, http(all()), Vec::new());
        let mut towards = cluster(0, &[middle], protocol);
        let mut calling = || {
            towards.transports = vec![authority.client(alpn, SERVER)];
            Arc::new(Graph {
                clusters: vec![Some(Arc::new(towards.clone()))],
                ..(*calling).clone()
            })
        };
        let back = started(middle, &serving()).await;
        let front = started(entry, &calling()).await;
        let load = Load::on(entry).await;
        let before = (load.connections(), back.open_connections()[1]);
        for _ in 0..20 {
            back.publish(&serving());
            front.publish(&calling());
            load.goes_on().await;
        }
        assert_eq!(load.connections(), before.0, "no client had to leave");
        assert!(back.open_connections()[1] <= before.1, "nor had a proxy");
        load.end().await.is_whole();
        drop(accepted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_other_peers_from_now_on_leaves_those_it_had() {
    let (workload, _) = server("one").await;
    let address = free();
    let all = || {
        http(manager(
            vec![route("/", Action::Forward(Box::new(forward(0))))],
            "/dev/null",
        ))
    };
    let clusters = vec![cluster(0, &[workload], UpstreamProtocol::Http2)];
    let first = graph(address, all(), clusters);
    let plane = started(address, &first).await;
    let load = Load::on(address).await;
    let before = load.connections();
    // Another chain stands there now: connections made under the former one are drained.
    let listener = &first.listeners[0];
    let chain = FilterChain {
        name: "other".into(),
        on: listener.chains[0].on.clone(),
        tls: None,
        connect_timeout: listener.chains[0].connect_timeout,
        network: all(),
    };
    let listener = Listener {
        name: listener.name.clone(),
        addresses: listener.addresses.clone(),
        bind: true,
        use_original_dst: false,
        restores_destination: false,
        transparent: false,
        original_source_mark: None,
        direction: listener.direction,
        tls_inspector: None,
        http_inspector: None,
        inspection_timeout: listener.inspection_timeout,
        continue_on_inspection_timeout: true,
        chains: vec![Arc::new(chain)],
        default_chain: None,
        access_logs: Vec::new(),
        buffer_limit: 1 << 20,
    };
    plane.publish(&Arc::new(Graph {
        listeners: vec![Arc::new(listener)],
        ..(*first).clone()
    }));
    load.reconnects(before).await;
    load.end().await.is_whole();
}
