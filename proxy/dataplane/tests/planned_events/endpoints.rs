//! Endpoints that go away on their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use graph::route::Action;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::drains::Pod;
use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::load::Load;
use crate::peers::{ask2, free, http2, started};

/// A server of HTTP/2 that leaves each connection gracefully after so many requests; how many connections it had.
async fn leaving(after: u64) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU64::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(socket, after));
        }
    });
    (address, connections)
}

async fn serve(socket: TcpStream, after: u64) {
    let seen = Arc::new(AtomicU64::new(0));
    let enough = Arc::new(tokio::sync::Notify::new());
    let service = service_fn(|request| {
        if seen.fetch_add(1, Ordering::Relaxed) + 1 == after {
            enough.notify_one();
        }
        crate::peers::answer("leaving", request)
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = enough.notified() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_go_away_again_and_again_lose_no_request() {
    let (endpoint, connections) = leaving(50).await;
    let entry = free();
    let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
    let clusters = vec![cluster(0, &[endpoint], UpstreamProtocol::Http2)];
    let network = http(manager(routes, "/dev/null"));
    let _plane = started(entry, &graph(entry, network, clusters)).await;
    let load = Load::on(entry).await;
    load.until("twenty connections", || {
        connections.load(Ordering::Relaxed) >= 20
    })
    .await;
    load.end().await.is_whole();
}

/// One frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Reads a frame: its kind, flags and stream.
async fn next(socket: &mut TcpStream) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    socket.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    socket.read_exact(&mut payload).await.ok()?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], head[4], stream))
}

/// A server of frames. Its first connection answers one request of four and leaves the others unprocessed.
async fn forgetful(listener: TcpListener) {
    for connection in 0.. {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        socket.read_exact(&mut preface).await.unwrap();
        socket.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        let mut requests = Vec::new();
        while let Some((kind, flags, stream)) = next(&mut socket).await {
            // What acknowledges is not acknowledged in turn: it would be taken for an error of the connection.
            if kind == 4 && flags == 0 {
                socket.write_all(&frame(4, 1, 0, &[])).await.unwrap();
            }
            if kind != 1 {
                continue;
            }
            requests.push(stream);
            // HEADERS with END_STREAM and END_HEADERS: `:status 200` of the static table.
            let answer = |stream: u32| frame(1, 5, stream, &[0x88]);
            if connection > 0 {
                socket.write_all(&answer(stream)).await.unwrap();
            } else if requests.len() == 4 {
                let mut said = Vec::from(1_u32.to_be_bytes());
                said.extend([0; 4]);
                socket.write_all(&frame(7, 0, 0, &said)).await.unwrap();
                socket.write_all(&answer(1)).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_an_endpoint_did_not_look_at_go_to_another_connection_without_a_retry_policy()
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    tokio::spawn(forgetful(listener));
    let entry = free();
    let mut plain = forward(0);
    Arc::make_mut(&mut plain.how).retry = None;
    let routes = vec![route("/", Action::Forward(Box::new(plain)))];
    let clusters = vec![cluster(0, &[endpoint], UpstreamProtocol::Http2)];
    let network = http(manager(routes, "/dev/null"));
    let _plane = started(entry, &graph(entry, network, clusters)).await;
    let client = http2(entry).await;
    let requests = (0..4).map(|n| {
        let mut client = client.clone();
        tokio::spawn(async move { ask2(&mut client, "GET", &format!("/{n}"), Bytes::new()).await })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_endpoint_costs_no_more_than_the_requests_that_were_on_it() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let pods = [
            Pod::start("stays", protocol).await,
            Pod::start("killed", protocol).await,
        ];
        let entry = free();
        let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
        let endpoints = pods.each_ref().map(|pod| pod.address);
        let mut both = cluster(0, &endpoints, protocol);
        // As Istio has it.
        Arc::make_mut(&mut both.settings).limits.retries = u32::MAX;
        let network = http(manager(routes, "/dev/null"));
        let _plane = started(entry, &graph(entry, network, vec![both])).await;
        let load = Load::on(entry).await;
        let [_stays, killed] = pods;
        // Without a word: its sockets close, and nobody listens there any more.
        drop(killed);
        for _ in 0..3 {
            load.goes_on().await;
        }
        let outcome = load.end().await;
        // Four connections of HTTP/1 and four of HTTP/2 with four requests each.
        assert!(outcome.failures.len() <= 20, "{outcome:?}");
    }
}
