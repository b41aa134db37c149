//! Configurations that follow each other faster than anybody would wish.

use std::sync::Arc;
use std::time::Duration;

use graph::Graph;
use graph::cluster::UpstreamProtocol;
use graph::route::Action;

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::load::Load;
use crate::peers::{free, server, started};

/// Between two changes: a hundred a second.
const PAUSE: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_changes_a_second_lose_no_request() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let entry = free();
        let (a, _) = server("a").await;
        let (b, _) = server("b").await;
        let base = graph(
            entry,
            http(manager(
                vec![route("/", Action::Forward(Box::new(forward(0))))],
                "/dev/null",
            )),
            vec![cluster(0, &[a, b], protocol)],
        );
        let plane = started(entry, &base).await;
        let load = Load::on(entry).await;
        for change in 0..300 {
            // Endpoints come and go each time; now and then the listener's filter is another one, too.
            let endpoints = &[vec![a], vec![b], vec![b, a]][change % 3];
            let next = match change % 50 {
                0 => {
                    let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
                    let network = http(manager(routes, "/dev/null"));
                    graph(entry, network, vec![cluster(0, endpoints, protocol)])
                }
                _ => Arc::new(Graph {
                    clusters: vec![Some(Arc::new(cluster(0, endpoints, protocol)))],
                    ..(*base).clone()
                }),
            };
            plane.publish(&next);
            tokio::time::sleep(PAUSE).await;
        }
        load.goes_on().await;
        load.end().await.is_whole();
    }
}
