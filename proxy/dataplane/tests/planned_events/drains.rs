//! Clients are told to leave, and proxies end one after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataplane::DataPlane;
use graph::Graph;
use graph::cluster::UpstreamProtocol;
use graph::route::Action;

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::load::Load;
use crate::peers::{free, server, started};

/// A proxy before a workload, as a pod has one.
pub struct Pod {
    pub plane: DataPlane,
    pub address: SocketAddr,
}

impl Pod {
    pub async fn start(name: &'static str, protocol: UpstreamProtocol) -> Pod {
        let (workload, _) = server(name).await;
        let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
        let mut inbound = manager(routes, "/dev/null");
        inbound.stat_prefix = "inbound_0.0.0.0_80".into();
        let address = free();
        let clusters = vec![cluster(0, &[workload], protocol)];
        let plane = started(address, &graph(address, http(inbound), clusters)).await;
        Pod { plane, address }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drained_clients_come_back_on_new_connections_and_lose_nothing() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let pod = Pod::start("one", protocol).await;
        let load = Load::on(pod.address).await;
        let before = load.connections();
        pod.plane.drain(true);
        // New connections are told the same with their first answer.
        load.reconnects(before).await;
        load.goes_on().await;
        let outcome = load.end().await;
        outcome.is_whole();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_are_replaced_one_after_the_other_lose_no_request() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let entry = free();
        let first = [
            Pod::start("first", protocol).await,
            Pod::start("first", protocol).await,
        ];
        let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
        let network = http(manager(routes, "/dev/null"));
        let base = graph(entry, network, Vec::new());
        let towards = |pods: &[&Pod]| {
            let endpoints: Vec<SocketAddr> = pods.iter().map(|pod| pod.address).collect();
            Arc::new(Graph {
                clusters: vec![Some(Arc::new(cluster(0, &endpoints, protocol)))],
                ..(*base).clone()
            })
        };
        let mut serving = Vec::from(first);
        let all: Vec<&Pod> = serving.iter().collect();
        let front = started(entry, &towards(&all)).await;
        let load = Load::on(entry).await;
        for _ in 0..4 {
            serving.push(Pod::start("next", protocol).await);
            let leaving = serving.remove(0);
            let all: Vec<&Pod> = serving.iter().collect();
            front.publish(&towards(&all));
            // What the agent does on SIGTERM.
            leaving.plane.drain(true);
            load.goes_on().await;
            load.until("the pod's connections to end", || {
                let [_, open] = leaving.plane.open_connections();
                open == 0
            })
            .await;
            drop(leaving);
            load.goes_on().await;
        }
        load.end().await.is_whole();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_end_without_having_been_drained_lose_no_request_of_http2() {
    let entry = free();
    let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
    let base = graph(entry, http(manager(routes, "/dev/null")), Vec::new());
    let towards = |pod: &Pod| {
        let cluster = cluster(0, &[pod.address], UpstreamProtocol::Http2);
        Arc::new(Graph {
            clusters: vec![Some(Arc::new(cluster))],
            ..(*base).clone()
        })
    };
    let mut serving = Pod::start("first", UpstreamProtocol::Http2).await;
    let front = started(entry, &towards(&serving)).await;
    let load = Load::on(entry).await;
    for _ in 0..8 {
        let next = Pod::start("next", UpstreamProtocol::Http2).await;
        front.publish(&towards(&next));
        // Told in turn: when workers report, they dial the former pod no more.
        tokio::task::block_in_place(|| front.report());
        let leaving = std::mem::replace(&mut serving, next);
        // Requests are on their way to it, and in it.
        let left = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            leaving.plane.leave(Duration::from_secs(20));
            begun.elapsed()
        });
        let took = left.await.unwrap();
        assert!(took < Duration::from_secs(20), "it waited for nothing");
        load.goes_on().await;
    }
    load.end().await.is_whole();
}
