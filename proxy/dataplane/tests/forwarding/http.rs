//! HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use graph::mutation::{Append, HeaderValue, Mutations};
use graph::policy::{Abort, Fault};
use graph::route::Action;
use http_body_util::BodyExt;

use crate::graphs::{cluster, forward, graph, http, manager, plain_route, route};
use crate::peers::{ask1, ask2, free, http1, http2, http2_with_window, lines, server, started};

fn all_to(id: u32, log: &std::path::Path) -> graph::chain::Network {
    http(manager(
        vec![route("/", Action::Forward(Box::new(forward(id))))],
        log.to_str().unwrap(),
    ))
}

#[tokio::test]
async fn requests_pass_in_every_pairing_of_versions() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, _) = server("one").await;
    for protocol in [
        UpstreamProtocol::Http1,
        UpstreamProtocol::Http2,
        UpstreamProtocol::Downstream,
    ] {
        let address = free();
        let plane = started(
            address,
            &graph(
                address,
                all_to(0, &log),
                vec![cluster(0, &[upstream], protocol)],
            ),
        )
        .await;
        let mut two = http2(address).await;
        let mut one = http1(address).await;
        for (method, path, body) in [
            ("GET", "/a", ""),
            ("POST", "/b?q=1", "hello"),
            ("GET", "/status/404", ""),
        ] {
            let length = body.len();
            let path_only = path.split('?').next().unwrap();
            let want = format!("one {method} {path_only} {length}");
            let status = if path.starts_with("/status") {
                404
            } else {
                200
            };
            for answer in [
                ask2(&mut two, method, path, Bytes::from(body)).await,
                ask1(&mut one, method, path, Bytes::from(body)).await,
            ] {
                assert_eq!(
                    (answer.status, &answer.body[..]),
                    (status, want.as_bytes()),
                    "{protocol:?}"
                );
                assert_eq!(answer.headers["server"], "envoy");
                assert!(answer.headers.contains_key("x-envoy-upstream-service-time"));
                assert_eq!(answer.headers["seen-request-id"].len(), 36);
                assert_eq!(answer.headers["seen-forwarded-proto"], "http");
            }
        }
        drop(plane);
    }
    let lines = lines(&log, 18).await;
    assert_eq!(lines.len(), 18);
    assert_eq!(
        lines[0],
        format!("GET /a HTTP/2 200 - via_upstream 0 12 {upstream} cluster-0")
    );
    assert_eq!(
        lines[3],
        format!("POST /b?q=1 HTTP/1.1 200 - via_upstream 5 13 {upstream} cluster-0")
    );
}

#[tokio::test]
async fn requests_of_one_connection_are_spread_over_all_endpoints_on_one_connection_each() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (a, a_connections) = server("a").await;
    let (b, b_connections) = server("b").await;
    let (c, c_connections) = server("c").await;
    let address = free();
    let clusters = vec![cluster(0, &[a, b, c], UpstreamProtocol::Http2)];
    let _plane = started(address, &graph(address, all_to(0, &log), clusters)).await;
    let mut client = http2(address).await;
    let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
    for _ in 0..300 {
        let answer = ask2(&mut client, "GET", "/", Bytes::new()).await;
        *counts.entry(answer.body[0]).or_default() += 1;
    }
    assert_eq!(
        counts,
        BTreeMap::from([(b'a', 100), (b'b', 100), (b'c', 100)])
    );
    for connections in [a_connections, b_connections, c_connections] {
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn bodies_larger_than_every_window_pass_whole() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, _) = server("one").await;
    let body: Bytes = (0..5_000_000u32)
        .map(|n| (n % 251) as u8)
        .collect::<Vec<u8>>()
        .into();
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let address = free();
        let clusters = vec![cluster(0, &[upstream], protocol)];
        let _plane = started(address, &graph(address, all_to(0, &log), clusters)).await;
        let mut two = http2(address).await;
        assert!(
            ask2(&mut two, "POST", "/echo", body.clone()).await.body == body,
            "HTTP/2 to {protocol:?}"
        );
        let mut one = http1(address).await;
        assert!(
            ask1(&mut one, "POST", "/echo", body.clone()).await.body == body,
            "HTTP/1 to {protocol:?}"
        );
    }
}

#[tokio::test]
async fn many_requests_at_once_get_each_its_own_answer() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, _) = server("one").await;
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let address = free();
        let clusters = vec![cluster(0, &[upstream], protocol)];
        let _plane = started(address, &graph(address, all_to(0, &log), clusters)).await;
        let client = http2(address).await;
        let tasks: Vec<_> = (0..500)
            .map(|n| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    (
                        n,
                        ask2(&mut client, "GET", &format!("/{n}"), Bytes::new()).await,
                    )
                })
            })
            .collect();
        for task in tasks {
            let (n, answer) = task.await.unwrap();
            assert_eq!(answer.body, format!("one GET /{n} 0"), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_sent_on_is_answered_as_envoy_does() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let address = free();
    let routes = vec![
        route("/dead", Action::Forward(Box::new(forward(0)))),
        route("/empty", Action::Forward(Box::new(forward(1)))),
        route("/missing", Action::Forward(Box::new(forward(2)))),
        route(
            "/said",
            Action::Respond {
                status: 418,
                body: b"short and stout"[..].into(),
            },
        ),
    ];
    let clusters = vec![
        cluster(0, &[free()], UpstreamProtocol::Http2),
        cluster(1, &[], UpstreamProtocol::Http2),
    ];
    let network = http(manager(routes, log.to_str().unwrap()));
    let _plane = started(address, &graph(address, network, clusters)).await;
    let mut two = http2(address).await;
    let mut one = http1(address).await;
    let refused = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: \
                   remote connection failure";
    for (path, status, body) in [
        ("/dead", 503, refused),
        ("/empty", 503, "no healthy upstream"),
        ("/missing", 503, ""),
        ("/said", 418, "short and stout"),
        ("/nowhere", 404, ""),
    ] {
        for answer in [
            ask2(&mut two, "GET", path, Bytes::new()).await,
            ask1(&mut one, "GET", path, Bytes::new()).await,
        ] {
            assert_eq!(
                (answer.status, &answer.body[..]),
                (status, body.as_bytes()),
                "{path}"
            );
        }
    }
    let lines = lines(&log, 10).await;
    assert!(
        lines[0].contains(" 503 URX,UF ") || lines[0].contains(" 503 UF,URX "),
        "{}",
        lines[0]
    );
    assert!(
        lines[2].contains(" 503 UH no_healthy_upstream "),
        "{}",
        lines[2]
    );
    assert!(
        lines[4].contains(" 503 NC cluster_not_found "),
        "{}",
        lines[4]
    );
    assert!(lines[6].contains(" 418 - direct_response "), "{}", lines[6]);
    assert!(
        lines[8].contains(" 404 NR route_not_found "),
        "{}",
        lines[8]
    );
}

#[tokio::test]
async fn answers_that_nobody_reads_to_their_end_take_nothing_from_the_shared_connection() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, connections) = server("one").await;
    let address = free();
    let clusters = vec![cluster(0, &[upstream], UpstreamProtocol::Http2)];
    let _plane = started(address, &graph(address, all_to(0, &log), clusters)).await;
    let mut client = http2_with_window(address, 16 << 10).await;
    // More than the window of the connection to the endpoint holds, were each one's share lost.
    let all = async {
        for _ in 0..100 {
            let request = ::http::Request::get("http://service/big")
                .body(Default::default())
                .unwrap();
            let mut answer = client.send_request(request).await.unwrap();
            // It has begun; the rest waits behind the client's own window when the stream is reset.
            answer.body_mut().frame().await.unwrap().unwrap();
        }
        ask2(&mut client, "GET", "/big", Bytes::new()).await
    };
    let last = tokio::time::timeout(std::time::Duration::from_secs(20), all)
        .await
        .expect("the window is open");
    assert_eq!(last.body.len(), 1 << 20);
    assert_eq!(
        connections.load(Ordering::Relaxed),
        1,
        "all of it over one connection"
    );
}

#[tokio::test]
async fn header_values_are_made_of_the_request_and_of_the_answer_that_they_stand_in() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, _) = server("one").await;
    let address = free();
    let adds = |name: &str, text: &str| {
        let value = HeaderValue {
            name: name.as_bytes().into(),
            value: accesslog::Template::parse_with(text, true).unwrap(),
            append: Append::OverwriteIfExistsOrAdd,
        };
        Mutations::new(Vec::new(), vec![value])
    };
    let mut changed = plain_route("/", Action::Forward(Box::new(forward(0))));
    changed.request = adds("x-request-id", "id of %REQ(:path)%");
    changed.response = adds("x-said", "%REQ(:method)% %RESP(:status)%");
    let network = http(manager(vec![Arc::new(changed)], log.to_str().unwrap()));
    let clusters = vec![cluster(0, &[upstream], UpstreamProtocol::Http2)];
    let _plane = started(address, &graph(address, network, clusters)).await;
    let answer = ask2(
        &mut http2(address).await,
        "GET",
        "/status/404",
        Bytes::new(),
    )
    .await;
    assert_eq!(answer.headers["seen-request-id"], "id of /status/404");
    assert_eq!(answer.headers["x-said"], "GET 404");
}

#[tokio::test]
async fn an_injected_grpc_status_reaches_the_client() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let address = free();
    let mut broken = plain_route("/", Action::Forward(Box::new(forward(0))));
    broken.fault = Some(Arc::new(Fault {
        abort: Some((Abort::Grpc(11), 1_000_000)),
        ..Fault::default()
    }));
    let mut manager = manager(vec![Arc::new(broken)], log.to_str().unwrap());
    manager.filters.fault = Some(Arc::default());
    let _plane = started(address, &graph(address, http(manager), Vec::new())).await;
    let mut client = http2(address).await;
    let request =
        ::http::Request::post("http://service/x.Y/Z").header("content-type", "application/grpc");
    let answer = client
        .send_request(request.body(Default::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.headers()["grpc-status"], "11");
    let line = lines(&log, 1).await.remove(0);
    assert!(line.contains(" 200 FI fault_filter_abort "), "{line}");
}

#[tokio::test]
async fn endpoints_that_move_are_left_without_losing_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (a, _) = server("a").await;
    let (b, _) = server("b").await;
    let address = free();
    let of = |endpoint| {
        graph(
            address,
            all_to(0, &log),
            vec![cluster(0, &[endpoint], UpstreamProtocol::Http2)],
        )
    };
    let first = of(a);
    // The listener is the same: only the cluster changes.
    let listeners = first.listeners.clone();
    let second = Arc::new(graph::Graph {
        listeners,
        ..(*of(b)).clone()
    });
    let graphs = [first, second];
    let plane = started(address, &graphs[0]).await;
    let mut client = http2(address).await;
    for turn in 0..50 {
        plane.publish(&graphs[turn % 2]);
        let name = ["a", "b"][turn % 2];
        // Which of the two configurations a request meets depends on the moment; both serve it.
        eventually(name, async || {
            ask2(&mut client, "GET", "/", Bytes::new()).await
        })
        .await;
    }
}

/// Asks until the server of this name answers; any answer but 200 is a failure.
async fn eventually(name: &str, mut ask: impl AsyncFnMut() -> crate::peers::Answer) {
    for _ in 0..1000 {
        let answer = ask().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body.starts_with(name.as_bytes()) {
            return;
        }
    }
    panic!("{name} is never asked");
}

#[tokio::test]
async fn a_cluster_opens_no_more_connections_than_it_may_and_requests_wait() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, connections) = server("one").await;
    let mut bounded = cluster(0, &[upstream], UpstreamProtocol::Http1);
    Arc::make_mut(&mut bounded.settings).limits.connections = 2;
    let address = free();
    let _plane = started(address, &graph(address, all_to(0, &log), vec![bounded])).await;
    let mut client = http2(address).await;
    client.ready().await.unwrap();
    let tasks = (0..50).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { ask2(&mut client, "GET", "/big", Bytes::new()).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap().body.len(), 1 << 20);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_authority_becomes_the_endpoints_name_where_a_route_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (upstream, _) = server("one").await;
    let mut forward = forward(0);
    Arc::make_mut(&mut forward.how).host = graph::route::HostRewrite::Auto;
    let mut named = cluster(0, &[upstream], UpstreamProtocol::Downstream);
    let mut all = (**named.endpoints.as_ref().unwrap()).clone();
    Arc::make_mut(&mut all.priorities[0][0]).hostname = Some("api.example.com".into());
    named.endpoints = Some(Arc::new(all));
    let network = http(manager(
        vec![route("/", Action::Forward(Box::new(forward)))],
        log.to_str().unwrap(),
    ));
    let address = free();
    let _plane = started(address, &graph(address, network, vec![named])).await;
    let (mut one, mut two) = (http1(address).await, http2(address).await);
    for answer in [
        ask1(&mut one, "GET", "/", Bytes::new()).await,
        ask2(&mut two, "GET", "/", Bytes::new()).await,
    ] {
        assert_eq!(answer.headers["seen-host"], "api.example.com");
        assert_eq!(answer.headers["seen-original-host"], "service");
    }
}
