//! Istio's metrics, from both sides of a request.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use graph::chain::Network;
use graph::cluster::{Cluster, ServiceName, UpstreamProtocol};
use graph::endpoint::{Endpoints, Host, Workload};
use graph::manager::Reporter;
use graph::route::Action;
use stats::{Number, Registry};

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{ask1, ask2, counting, free, http1, http2, server, telemetry};

/// A cluster of one service whose endpoints are a workload of the mesh.
fn service(id: u32, endpoint: SocketAddr, protocol: UpstreamProtocol) -> Cluster {
    let mut of_mesh = cluster(id, &[endpoint], protocol);
    of_mesh.services = vec![ServiceName {
        host: "greeter.default.svc.cluster.local".into(),
        name: "greeter".into(),
        namespace: "default".into(),
    }];
    let hosts = of_mesh.endpoints.as_deref().unwrap().priorities[0]
        .iter()
        .map(|host| {
            Arc::new(Host {
                workload: Some(Arc::new(Workload {
                    name: "greeter-v1".into(),
                    namespace: "default".into(),
                    canonical_name: "greeter".into(),
                    canonical_revision: "v1".into(),
                    cluster: "Kubernetes".into(),
                })),
                ..(**host).clone()
            })
        })
        .collect();
    of_mesh.endpoints = Some(Arc::new(Endpoints {
        priorities: vec![hosts],
        overprovisioning_percent: 140,
    }));
    of_mesh
}

fn reports(reporter: Reporter, log: &str) -> Network {
    let mut reports = manager(vec![route("/", Action::Forward(Box::new(forward(0))))], log);
    reports.stats = Some(reporter);
    reports.filters.peer_metadata = true;
    if reporter == Reporter::Destination {
        reports.stat_prefix = "inbound_test".into();
    }
    http(reports)
}

/// Lines of a metric whose labels hold all of these.
fn count(registry: &Registry, metric: &str, labels: &[&str]) -> u64 {
    let snapshot = registry.snapshot();
    let of = snapshot.samples().iter().filter(|sample| {
        sample.prometheus == metric && labels.iter().all(|l| sample.labels.contains(l))
    });
    of.map(|sample| match &sample.number {
        Number::Counter(count) => *count,
        Number::Gauge(level) => u64::try_from(*level).unwrap(),
        Number::Histogram(distribution) => distribution.count(),
    })
    .sum()
}

#[tokio::test]
async fn both_sides_of_a_request_report_both_workloads() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let log = log.to_str().unwrap();
        let (upstream, _) = server("one").await;
        let (entry, middle) = (free(), free());
        let [client_side, server_side] = [(); 2].map(|()| Arc::new(Registry::new(1, "")));
        let mut towards_app = cluster(0, &[upstream], protocol);
        towards_app.services = service(0, upstream, protocol).services;
        let _inbound = counting(
            middle,
            &graph(
                middle,
                reports(Reporter::Destination, log),
                vec![towards_app],
            ),
            &telemetry(server_side.clone(), "greeter-v1"),
        )
        .await;
        let _outbound = counting(
            entry,
            &graph(
                entry,
                reports(Reporter::Source, log),
                vec![service(0, middle, protocol)],
            ),
            &telemetry(client_side.clone(), "shop"),
        )
        .await;
        let mut two = http2(entry).await;
        let mut one = http1(entry).await;
        for _ in 0..10 {
            for answer in [
                ask2(&mut two, "POST", "/status/200", Bytes::from("hello")).await,
                ask1(&mut one, "GET", "/status/404", Bytes::new()).await,
            ] {
                // What proxies tell each other is not the application's business.
                assert_eq!(answer.headers["seen-peer-metadata"], "");
                assert!(!answer.headers.contains_key("x-envoy-peer-metadata"));
            }
        }
        for (registry, reporter, security) in [
            (&client_side, "source", "unknown"),
            (&server_side, "destination", "none"),
        ] {
            let labels = |status: &str| {
                [
                    format!("reporter=\"{reporter}\""),
                    "source_workload=\"shop\"".to_owned(),
                    "destination_workload=\"greeter-v1\"".to_owned(),
                    "destination_service=\"greeter.default.svc.cluster.local\"".to_owned(),
                    "request_protocol=\"http\"".to_owned(),
                    format!("response_code=\"{status}\""),
                    format!("connection_security_policy=\"{security}\""),
                ]
            };
            for status in ["200", "404"] {
                let labels = labels(status);
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                for metric in [
                    "istio_requests_total",
                    "istio_request_duration_milliseconds",
                    "istio_request_bytes",
                    "istio_response_bytes",
                ] {
                    assert_eq!(
                        count(registry, metric, &labels),
                        10,
                        "{protocol:?} {reporter} {metric} {status}: {:?}",
                        registry.snapshot()
                    );
                }
            }
            let total = ["http_conn_manager_prefix"];
            assert_eq!(
                count(registry, "envoy_http_downstream_rq_total", &total),
                20
            );
            assert_eq!(
                count(registry, "envoy_http_downstream_rq_active", &total),
                0
            );
            let of_cluster = ["cluster_name=\"cluster-0\""];
            assert_eq!(
                count(registry, "envoy_cluster_upstream_rq_total", &of_cluster),
                20
            );
            assert_eq!(
                count(registry, "envoy_cluster_upstream_rq_active", &of_cluster),
                0
            );
            let class = ["cluster_name=\"cluster-0\"", "response_code_class=\"4xx\""];
            assert_eq!(count(registry, "envoy_cluster_upstream_rq", &class), 10);
        }
    }
}

#[tokio::test]
async fn a_request_that_no_endpoint_could_take_is_reported_with_its_flags() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let entry = free();
    let registry = Arc::new(Registry::new(1, ""));
    let mut nobody = service(0, free(), UpstreamProtocol::Http1);
    nobody.endpoints = Some(Arc::default());
    let _plane = counting(
        entry,
        &graph(
            entry,
            reports(Reporter::Source, log.to_str().unwrap()),
            vec![nobody],
        ),
        &telemetry(registry.clone(), "shop"),
    )
    .await;
    let mut client = http1(entry).await;
    assert_eq!(
        ask1(&mut client, "GET", "/", Bytes::new()).await.status,
        503
    );
    let labels = [
        "response_flags=\"UH\"",
        "destination_service_name=\"greeter\"",
        "destination_workload=\"unknown\"",
        "response_code=\"503\"",
    ];
    assert_eq!(count(&registry, "istio_requests_total", &labels), 1);
}
