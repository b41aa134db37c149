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
