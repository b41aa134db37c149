//! Requests of both versions of HTTP, of which many are cancelled, lost, retried or refused, while the configuration
//! changes all the time.
//!
//! `LATEEN_REQUESTS` and `LATEEN_CONFIGURATIONS` say how much of it there is: without them as much as a debug build does
//! in some seconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use graph::Graph;
use graph::cluster::UpstreamProtocol;
use graph::policy::{Retry, RetryOn};
use graph::route::{Action, VirtualHost};
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::echo::endpoint;
use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{free, http1, http2, started};
use crate::quiet::{at_rest, resident};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().unwrap())
}

/// A deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// The `turn`th configuration: the same routes, with clusters and endpoints that come and go.
fn configuration(address: SocketAddr, ends: &[SocketAddr], log: &str, turn: u64) -> Arc<Graph> {
    // Another cluster each time: those that were before are forgotten.
    let fleeting = 2 + u32::try_from(turn % 50).unwrap();
    let retried = |cluster| {
        let mut forward = forward(cluster);
        Arc::make_mut(&mut forward.how).retry = Some(Arc::new(Retry {
            on: RetryOn::SERVER_ERROR,
            retries: 2,
            backoff_base: Duration::from_millis(1),
            backoff_max: Duration::from_millis(2),
            ..Retry::default()
        }));
        Action::Forward(Box::new(forward))
    };
    let routes = vec![
        route("/one", retried(0)),
        route("/two", retried(1)),
        route("/three", retried(fleeting)),
    ];
    let mut manager = manager(routes, log);
    if let graph::manager::Routes::Inline(table) = &mut manager.routes {
        let table = Arc::get_mut(table).unwrap();
        let before = table.default.clone().unwrap();
        table.default = Some(Arc::new(VirtualHost {
            include_attempt_count: true,
            routes: before.routes.clone(),
            name: format!("any-{turn}").into(),
            ..VirtualHost::default()
        }));
    }
    let shown = match turn % 3 {
        0 => &ends[..2],
        1 => &ends[1..],
        _ => ends,
    };
    let mut clusters = vec![
        cluster(0, shown, UpstreamProtocol::Http1),
        cluster(1, shown, UpstreamProtocol::Http2),
    ];
    clusters.push(cluster(fleeting, &ends[..1], UpstreamProtocol::Http1));
    graph(address, http(manager), clusters)
}

/// How a request went.
#[derive(Default)]
struct Tally {
    whole: AtomicU64,
    cancelled: AtomicU64,
    failed: AtomicU64,
}

/// One client: asks until there is nothing left to ask.
async fn client(address: SocketAddr, seed: u64, left: Arc<AtomicU64>, tally: Arc<Tally>) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut two = http2(address).await;
    let mut one = http1(address).await;
    loop {
        let n = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        let Ok(n) = n else { return };
        let tag = format!("{seed}-{n}");
        let side = ["one", "two", "three"][random.below(3) as usize];
        let kind = random.below(40);
        let path = match kind {
            0 => format!("/{side}/slow/{tag}"),
            1 => format!("/{side}/lost/{tag}"),
            2 | 3 => format!("/{side}/again/{tag}"),
            _ => format!("/{side}/{tag}"),
        };
        let long = if random.below(50) == 0 { 20_000 } else { 3 };
        let body = Bytes::from(format!("{tag};").repeat(long));
        let by_two = random.below(3) > 0;
        let uri = match by_two {
            true => format!("http://service{path}"),
            false => path.clone(),
        };
        let request = Request::builder()
            .method("POST")
            .uri(uri)
            .header("host", "service")
            .header("x-tag", &tag)
            .body(Full::new(body.clone()))
            .unwrap();
        let cancels = kind == 0 || random.below(60) == 0;
        let patience = match cancels {
            true => Duration::from_micros(random.below(3000)),
            false => Duration::from_secs(15),
        };
        if two.is_closed() {
            two = http2(address).await;
        }
        let connection = two.clone();
        let asked = async {
            let answer = if by_two {
                two.ready().await.ok()?;
                two.send_request(request).await
            } else {
                if one.ready().await.is_err() {
                    one = http1(address).await;
                }
                one.send_request(request).await
            };
            let (head, rest) = answer.ok()?.into_parts();
            Some((head, rest.collect().await.ok()?.to_bytes()))
        };
        match tokio::time::timeout(patience, asked).await {
            // A request that is sent while its connection ends is lost in hyper's client, now and then: it never resolves.
            Err(_) if !cancels && by_two && connection.is_closed() => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                assert!(
                    cancels,
                    "no answer to {path} by HTTP/{}, {} bytes",
                    if by_two { 2 } else { 1 },
                    body.len()
                );
                tally.cancelled.fetch_add(1, Ordering::Relaxed);
                // What was under way on HTTP/1 is left with its connection.
                one = http1(address).await;
            }
            Ok(None) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some((head, got))) if head.status == 200 => {
                assert_eq!(head.headers["x-tag"], tag, "another's header");
                assert!(got == body, "another's bytes: {tag}");
                tally.whole.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some((head, _))) => {
                assert!(head.status.is_server_error(), "{tag}: {}", head.status);
                assert!(!head.headers.contains_key("x-tag") || head.headers["x-tag"] == tag);
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// So many requests by 20 clients, with a new configuration every so often.
async fn turmoil(
    plane: &dataplane::DataPlane,
    address: SocketAddr,
    (ends, log): (&[SocketAddr], &str),
    requests: u64,
    configurations: u64,
) -> Arc<Tally> {
    let (left, tally) = (
        Arc::new(AtomicU64::new(requests)),
        Arc::new(Tally::default()),
    );
    let clients: Vec<_> = (1..=20)
        .map(|seed| tokio::spawn(client(address, seed, left.clone(), tally.clone())))
        .collect();
    let mut turn = 0;
    while turn < configurations || clients.iter().any(|c| !c.is_finished()) {
        if turn < configurations {
            turn += 1;
            plane.publish(&configuration(address, ends, log, turn));
        }
        // In step with the requests, so that changes fall among them from the first to the last.
        let due = requests - requests * turn / configurations.max(1);
        while left.load(Ordering::Relaxed) > due || turn == configurations {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if clients.iter().all(tokio::task::JoinHandle::is_finished) {
                break;
            }
        }
    }
    for client in clients {
        client
            .await
            .expect("a client was given what is not its own, or nothing");
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_many_requests_and_configurations_and_nobody_gets_anothers_bytes() {
    let requests = number("LATEEN_REQUESTS", 8000);
    let configurations = number("LATEEN_CONFIGURATIONS", 400);
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log").to_str().unwrap().to_owned();
    let ends = [endpoint().await, endpoint().await, endpoint().await];
    let address = free();
    let plane = started(address, &configuration(address, &ends, &log, 0)).await;
    // What is allocated once is there after the first part.
    turmoil(
        &plane,
        address,
        (&ends, &log),
        requests / 4,
        configurations / 4,
    )
    .await;
    let first = at_rest(&plane).await;
    let before = resident();
    let tally = turmoil(&plane, address, (&ends, &log), requests, configurations).await;
    plane.publish(&configuration(address, &ends, &log, 0));
    let last = at_rest(&plane).await;
    let whole = tally.whole.load(Ordering::Relaxed);
    let cancelled = tally.cancelled.load(Ordering::Relaxed);
    let failed = tally.failed.load(Ordering::Relaxed);
    eprintln!("{whole} whole, {cancelled} cancelled, {failed} failed; {first:?} {last:?}");
    // Those to clusters that go while they are under way fail.
    assert!(whole > requests / 2 && cancelled > 0 && failed > 0);
    // Clients are gone; what remains are connections to endpoints that wait to be used again.
    assert!(last.clusters <= 3, "{last:?}");
    assert!(last.endpoints <= 7, "{last:?}");
    assert!(last.connections <= 100, "{last:?}");
    assert!(last.upstream_connections <= 100, "{last:?}");
    assert!(last.timers < 20_000, "{last:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes more");
}
