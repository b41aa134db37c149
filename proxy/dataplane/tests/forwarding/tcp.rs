//! Bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use graph::cluster::UpstreamProtocol;
use graph::listener::DisabledPorts;

use crate::graphs::{cluster, graph, tcp};
use crate::peers::{free, started};

#[tokio::test]
async fn bytes_pass_both_ways_and_each_direction_ends_by_itself() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = upstream.local_addr().unwrap();
    let address = free();
    let clusters = vec![cluster(0, &[endpoint], UpstreamProtocol::Http1)];
    let echo = tokio::spawn(async move {
        // The first connection is the one that waited for the listener.
        loop {
            let (mut socket, _) = upstream.accept().await.unwrap();
            let mut whole = Vec::new();
            socket.read_to_end(&mut whole).await.unwrap();
            if !whole.is_empty() {
                // Only after the client's direction has ended.
                socket.write_all(&whole).await.unwrap();
                return whole.len();
            }
        }
    });
    let _plane = started(address, &graph(address, tcp(0), clusters)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 253) as u8).collect();
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(echo.await.unwrap(), sent.len());
    assert!(back == sent);
}

#[tokio::test]
async fn a_client_that_leaves_without_a_word_reaches_no_upstream_where_connections_are_inspected() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = upstream.local_addr().unwrap();
    let address = free();
    let clusters = vec![cluster(0, &[endpoint], UpstreamProtocol::Http1)];
    let mut graph = Arc::into_inner(graph(address, tcp(0), clusters)).unwrap();
    let listener = Arc::get_mut(&mut graph.listeners[0]).unwrap();
    listener.http_inspector = Some(DisabledPorts::default());
    let _plane = started(address, &graph.into()).await;
    for _ in 0..3 {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.shutdown().await.unwrap();
        let within = Duration::from_secs(10);
        let closed = tokio::time::timeout(within, silent.read(&mut [0])).await;
        assert_eq!(closed.expect("it is not closed").unwrap(), 0);
    }
    // The first that comes is the first that spoke.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"not http\n").await.unwrap();
    let (mut socket, _) = upstream.accept().await.unwrap();
    let mut came = [0; 9];
    socket.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"not http\n");
}

#[tokio::test]
async fn a_client_of_a_dead_endpoint_is_disconnected() {
    let address = free();
    let clusters = vec![cluster(0, &[free()], UpstreamProtocol::Http1)];
    let _plane = started(address, &graph(address, tcp(0), clusters)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut back = Vec::new();
    let _ = client.read_to_end(&mut back).await;
    assert!(back.is_empty());
}

#[tokio::test]
async fn a_cluster_of_bytes_takes_no_more_connections_than_it_may() {
    let (endpoint, mut accepted) = silent().await;
    let mut bounded = cluster(0, &[endpoint], UpstreamProtocol::Http1);
    Arc::make_mut(&mut bounded.settings).limits.connections = 2;
    let address = free();
    let _plane = started(address, &graph(address, tcp(0), vec![bounded])).await;
    // The connection that found out that somebody listens has come and gone.
    accepted.recv().await.unwrap();
    accepted.recv().await.unwrap();
    let first = taken(address, &mut accepted).await;
    let _second = taken(address, &mut accepted).await;
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0);
    drop(first);
    accepted.recv().await.unwrap();
    let _third = taken(address, &mut accepted).await;
}

/// A connection that reached the endpoint: one that has just ended may still be counted, and then it is tried again.
async fn taken(
    address: std::net::SocketAddr,
    accepted: &mut tokio::sync::mpsc::UnboundedReceiver<()>,
) -> TcpStream {
    loop {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut byte = [0];
        tokio::select! {
            _ = accepted.recv() => return socket,
            _ = socket.read(&mut byte) => {}
        }
    }
}

/// An endpoint that says nothing; it tells of each connection that comes and of each that goes.
async fn silent() -> (
    std::net::SocketAddr,
    tokio::sync::mpsc::UnboundedReceiver<()>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let _ = tell.send(());
                let mut rest = Vec::new();
                let _ = socket.read_to_end(&mut rest).await;
                let _ = tell.send(());
            });
        }
    });
    (address, told)
}
