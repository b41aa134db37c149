use std::sync::Arc;

use accesslog::Flags;

use super::exposition::{Read, read};
use crate::istio::{Dimensions, Istio, Outcome, Protocol, Reporter, Request, Security, Workload};
use crate::{Query, Registry};

fn workload(name: &str) -> Workload {
    Workload {
        workload: format!("{name}-v1").into(),
        namespace: "default".into(),
        principal: format!("spiffe://cluster.local/ns/default/sa/{name}").into(),
        app: name.into(),
        version: "v1".into(),
        cluster: format!("{name}-cluster").into(),
        canonical_service: name.into(),
        canonical_revision: "version-1".into(),
    }
}

fn dimensions(protocol: Protocol) -> Dimensions {
    Dimensions {
        reporter: Reporter::Destination,
        source: workload("productpage"),
        destination: workload("ratings"),
        destination_service: "server.default.svc.cluster.local".into(),
        destination_service_name: "server".into(),
        destination_service_namespace: "default".into(),
        protocol,
        security: Security::MutualTls,
    }
}

fn shown(registry: &Registry) -> Read {
    read(
        &registry
            .snapshot()
            .render(&Query::parse("format=prometheus").unwrap()),
    )
}

fn labels(read: &Read, name: &str) -> String {
    let (_, labels, _) = read.samples.iter().find(|(n, _, _)| n == name).unwrap();
    labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn values(read: &Read, name: &str) -> Vec<f64> {
    read.samples
        .iter()
        .filter(|(n, _, _)| n == name)
        .map(|(_, _, v)| *v)
        .collect()
}

const PEERS: &str = "reporter=destination source_workload=productpage-v1 source_canonical_service=productpage source_canonical_revision=version-1 source_workload_namespace=default source_principal=spiffe://cluster.local/ns/default/sa/productpage source_app=productpage source_version=v1 source_cluster=productpage-cluster destination_workload=ratings-v1 destination_workload_namespace=default destination_principal=spiffe://cluster.local/ns/default/sa/ratings destination_app=ratings destination_version=v1 destination_service=server.default.svc.cluster.local destination_canonical_service=ratings destination_canonical_revision=version-1 destination_service_name=server destination_service_namespace=default destination_cluster=ratings-cluster";

#[test]
fn requests_have_istios_labels_in_istios_order() {
    let registry = Registry::new(2, "1");
    let traffic = registry.istio().intern(&dimensions(Protocol::Http));
    let request = Request {
        outcome: Outcome {
            response_code: 503,
            flags: Flags::UPSTREAM_CONNECTION_FAILURE | Flags::UPSTREAM_RETRY_LIMIT_EXCEEDED,
            grpc_status: None,
        },
        duration_ms: 30,
        request_bytes: 100,
        response_bytes: 3_000,
    };
    traffic.request(0, &request);
    traffic.request(1, &request);
    let read = shown(&registry);
    let all = format!(
        "{PEERS} request_protocol=http response_code=503 grpc_response_status= response_flags=URX,UF connection_security_policy=mutual_tls"
    );
    assert_eq!(labels(&read, "istio_requests_total"), all);
    assert_eq!(values(&read, "istio_requests_total"), [2.0]);
    for (name, sum) in [
        ("istio_request_duration_milliseconds", 60.0),
        ("istio_request_bytes", 200.0),
        ("istio_response_bytes", 6_000.0),
    ] {
        assert_eq!(read.types[name], "histogram");
        assert_eq!(values(&read, &format!("{name}_sum")), [sum]);
        assert_eq!(labels(&read, &format!("{name}_sum")), all);
    }
    assert!(
        !read.types.contains_key("istio_request_messages_total"),
        "HTTP has no messages"
    );
}

#[test]
fn grpc_has_its_status_and_counts_messages_by_peer_alone() {
    let registry = Registry::new(1, "1");
    let traffic = registry.istio().intern(&dimensions(Protocol::Grpc));
    let outcome = Outcome {
        response_code: 200,
        grpc_status: Some(14),
        ..Outcome::default()
    };
    traffic.request(
        0,
        &Request {
            outcome,
            duration_ms: 1,
            request_bytes: 1,
            response_bytes: 1,
        },
    );
    traffic.messages(0, 2, 3);
    traffic.messages(0, 1, 1);
    let read = shown(&registry);
    assert_eq!(
        labels(&read, "istio_requests_total"),
        format!(
            "{PEERS} request_protocol=grpc response_code=200 grpc_response_status=14 response_flags=- connection_security_policy=mutual_tls"
        )
    );
    assert_eq!(values(&read, "istio_request_messages_total"), [3.0]);
    assert_eq!(values(&read, "istio_response_messages_total"), [4.0]);
    assert_eq!(labels(&read, "istio_response_messages_total"), PEERS);
}

#[test]
fn connections_of_bytes_have_no_status() {
    let registry = Registry::new(1, "1");
    let traffic = registry.istio().intern(&dimensions(Protocol::Tcp));
    let outcome = Outcome::default();
    traffic.opened(0, outcome);
    traffic.bytes(0, outcome, 10, 20);
    traffic.bytes(0, outcome, 1, 2);
    traffic.closed(0, outcome);
    let read = shown(&registry);
    let all = format!(
        "{PEERS} request_protocol=tcp response_flags=- connection_security_policy=mutual_tls"
    );
    for (name, value) in [
        ("istio_tcp_connections_opened_total", 1.0),
        ("istio_tcp_connections_closed_total", 1.0),
        ("istio_tcp_sent_bytes_total", 11.0),
        ("istio_tcp_received_bytes_total", 22.0),
    ] {
        assert_eq!(
            (values(&read, name), labels(&read, name)),
            (vec![value], all.clone())
        );
    }
    assert!(!read.types.contains_key("istio_requests_total"));
}

#[test]
fn what_is_not_known_of_a_peer_is_unknown_and_its_revision_latest() {
    let peer = Workload {
        app: "a".into(),
        ..Workload::default()
    }
    .as_peer();
    assert_eq!(
        (
            &*peer.workload,
            &*peer.principal,
            &*peer.app,
            &*peer.canonical_revision
        ),
        ("unknown", "unknown", "a", "latest")
    );
    let registry = Registry::new(1, "1");
    let traffic = registry.istio().intern(&Dimensions {
        source: peer,
        destination: Workload {
            workload: "w".into(),
            ..Workload::default()
        },
        destination_service: "".into(),
        destination_service_name: "".into(),
        security: Security::None,
        ..dimensions(Protocol::Tcp)
    });
    traffic.opened(0, Outcome::default());
    let labels = labels(&shown(&registry), "istio_tcp_connections_opened_total");
    for label in [
        "source_workload=unknown",
        "destination_workload=w",
        "destination_app= ",
        "destination_principal=unknown",
        "destination_service=unknown",
        "destination_service_name=unknown",
        "connection_security_policy=none",
    ] {
        assert!(labels.contains(label), "{label} in {labels}");
    }
}

#[test]
fn the_same_labels_are_the_same_traffic() {
    let registry = Registry::new(1, "1");
    let first = registry.istio().intern(&dimensions(Protocol::Http));
    let second = registry.istio().intern(&dimensions(Protocol::Http));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.dimensions(), &dimensions(Protocol::Http));
}

#[test]
fn outcomes_beyond_the_table_are_counted_as_overflow() {
    let registry = Registry::new(1, "1");
    let traffic = registry.istio().intern(&dimensions(Protocol::Http));
    for response_code in 0..100 {
        let outcome = Outcome {
            response_code,
            ..Outcome::default()
        };
        traffic.request(
            0,
            &Request {
                outcome,
                duration_ms: 0,
                request_bytes: 0,
                response_bytes: 0,
            },
        );
    }
    let read = shown(&registry);
    assert_eq!(values(&read, "istio_requests_total").len(), 64);
    assert_eq!(registry.istio().overflow(), 36);
    assert_eq!(values(&read, "lateen_istio_metrics_overflow_total"), [36.0]);
}

/// Traffic from the `n`th workload.
fn at(n: usize) -> Dimensions {
    Dimensions {
        source: Workload {
            workload: n.to_string().into(),
            ..Workload::default()
        },
        ..dimensions(Protocol::Tcp)
    }
}

#[test]
fn who_names_ever_other_workloads_takes_nobodys_place_for_good() {
    let registry = Registry::new(1, "1");
    let used = registry.istio().intern(&at(0));
    used.opened(0, Outcome::default());
    // Three times as many as there is room for, none of them kept.
    for n in 1..3 * Istio::MOST_PEERS {
        registry
            .istio()
            .intern(&at(n))
            .opened(0, Outcome::default());
    }
    assert_eq!(registry.istio().overflow(), 0);
    used.opened(0, Outcome::default());
    let again = registry.istio().intern(&at(0));
    assert!(
        Arc::ptr_eq(&used, &again),
        "what is in use is not forgotten"
    );
    let newcomer = registry.istio().intern(&at(usize::MAX));
    newcomer.opened(0, Outcome::default());
    let read = shown(&registry);
    let opened = values(&read, "istio_tcp_connections_opened_total");
    assert!(opened.contains(&2.0) && opened.len() <= Istio::MOST_PEERS);
    assert_eq!(registry.istio().overflow(), 0);
}

#[test]
fn series_of_forgotten_peers_make_room_for_others() {
    let registry = Registry::new(2, "1");
    for n in 0..Istio::MOST_SERIES {
        let traffic = registry.istio().intern(&at(n));
        for thread in 0..2 {
            for response_code in 0..3 {
                let outcome = Outcome {
                    response_code,
                    ..Outcome::default()
                };
                traffic.opened(thread, outcome);
            }
        }
    }
    // Only what came while the last series were given out found none.
    assert!(
        registry.istio().overflow() < 100,
        "{}",
        registry.istio().overflow()
    );
}

#[test]
fn peers_in_use_beyond_the_bound_are_counted_as_overflow() {
    let registry = Registry::new(1, "1");
    let mut used = Vec::new();
    for n in 0..Istio::MOST_PEERS {
        used.push(registry.istio().intern(&at(n)));
        assert_eq!(used[n].dimensions(), &at(n));
    }
    let beyond = registry.istio().intern(&at(Istio::MOST_PEERS));
    beyond.opened(0, Outcome::default());
    assert_eq!(registry.istio().overflow(), 1);
    assert!(
        !shown(&registry)
            .types
            .contains_key("istio_tcp_connections_opened_total")
    );
    registry
        .istio()
        .intern(&at(0))
        .opened(0, Outcome::default());
    assert_eq!(
        registry.istio().overflow(),
        1,
        "who is known already goes on"
    );
}

#[test]
fn series_are_bounded_over_all_peers() {
    let registry = Registry::new(1, "1");
    let mut recorded = 0;
    let mut used = Vec::new();
    for n in 0..Istio::MOST_SERIES / 64 + 2 {
        let traffic = registry.istio().intern(&Dimensions {
            source: Workload {
                workload: n.to_string().into(),
                ..Workload::default()
            },
            ..dimensions(Protocol::Tcp)
        });
        for response_code in 0..64 {
            traffic.opened(
                0,
                Outcome {
                    response_code,
                    ..Outcome::default()
                },
            );
            recorded += 1;
        }
        used.push(traffic);
    }
    assert_eq!(
        registry.istio().overflow(),
        (recorded - Istio::MOST_SERIES) as u64
    );
}

#[test]
fn many_threads_lose_nothing() {
    const THREADS: usize = 4;
    let registry = Arc::new(Registry::new(THREADS, "1"));
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let registry = Arc::clone(&registry);
            std::thread::spawn(move || {
                for n in 0..20_000_u64 {
                    let traffic = registry.istio().intern(&dimensions(Protocol::Http));
                    let outcome = Outcome {
                        response_code: 200 + (n % 5) as u16,
                        ..Outcome::default()
                    };
                    traffic.request(
                        thread,
                        &Request {
                            outcome,
                            duration_ms: n % 3,
                            request_bytes: 1,
                            response_bytes: 2,
                        },
                    );
                }
            })
        })
        .collect();
    while workers.iter().any(|worker| !worker.is_finished()) {
        shown(&registry);
    }
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
    let read = shown(&registry);
    assert_eq!(values(&read, "istio_requests_total"), [16_000.0; 5]);
    assert_eq!(values(&read, "istio_response_bytes_sum"), [32_000.0; 5]);
}
