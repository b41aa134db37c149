//! Endpoints that misuse HTTP/1.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bystander::Bystanders;
use crate::peers::{ask1, ask2, http1, http2};
use crate::victim::{Victim, resident};

/// An endpoint that says the same to every connection once it was asked something, and ends it if told to.
async fn saying(words: Vec<u8>, ends: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let words = words.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(1..) = socket.read(&mut buffer).await {
                    if socket.write_all(&words).await.is_err() || ends {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn answers_that_are_none_become_errors_of_the_proxy() {
    for (words, ends) in [
        (&b"\0\0\0\0garbage"[..], false),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            false,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\na",
            false,
        ),
        (b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n", false),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            false,
        ),
        (b"HTTP/1.1 999999 OK\r\n\r\n", false),
        (b"", true),
        (b"HTTP/1.1 20", true),
    ] {
        let other = saying(words.to_vec(), ends).await;
        let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
        let others = Bystanders::at(victim.address).await;
        let (mut one, mut two) = (http1(victim.address).await, http2(victim.address).await);
        let name = String::from_utf8_lossy(words).into_owned();
        for answer in [
            ask1(&mut one, "GET", "/other", Bytes::new()).await,
            ask2(&mut two, "GET", "/other", Bytes::new()).await,
        ] {
            assert!(matches!(answer.status, 502 | 503), "{name:?} {answer:?}");
        }
        others.were_served().await;
        victim.becomes(|held| held.requests == 0).await;
    }
}

#[tokio::test]
async fn bytes_behind_an_answer_are_not_taken_for_the_next_ones_answer() {
    let words = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let other = saying(words.to_vec(), false).await;
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let mut two = http2(victim.address).await;
    for _ in 0..50 {
        let answer = ask2(&mut two, "GET", "/other", Bytes::new()).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    }
    victim.becomes(|held| held.requests == 0).await;
}

#[tokio::test]
async fn informational_answers_without_end_are_an_error() {
    let words = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(10_000);
    let other = saying(words, false).await;
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let request = b"GET /other HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut text = Vec::new();
    let read = socket.read_to_end(&mut text);
    let ended = tokio::time::timeout(Duration::from_secs(5), read).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(ended.is_ok(), "{:?}: {text}", victim.plane.held());
    assert!(text.matches(" 103 ").count() <= 100);
    let last = text.rsplit("HTTP/1.1 ").next().unwrap();
    assert!(last.starts_with("50"), "{last}");
    others.were_served().await;
}

#[tokio::test]
async fn an_answer_whose_head_is_too_large_is_an_error() {
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(200_000));
    let other = saying(head.into_bytes(), false).await;
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let mut two = http2(victim.address).await;
    let answer = ask2(&mut two, "GET", "/other", Bytes::new()).await;
    assert!(matches!(answer.status, 502 | 503), "{answer:?}");
}

#[tokio::test]
async fn an_answer_before_its_request_ends_arrives_and_its_connections_are_not_used_again() {
    let words = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly";
    let other = saying(words.to_vec(), false).await;
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    for _ in 0..20 {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        let half = b"POST /other HTTP/1.1\r\nhost: service\r\ncontent-length: 1000000\r\n\r\nhalf";
        socket.write_all(half).await.unwrap();
        let mut text = String::new();
        let read = socket.read_to_string(&mut text);
        tokio::time::timeout(Duration::from_secs(5), read)
            .await
            .expect("the connection goes on")
            .unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 ") && text.ends_with("early"),
            "{text}"
        );
    }
    others.were_served().await;
    let held = victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
    assert!(held.upstream_connections <= 2, "{held:?}");
}

#[tokio::test]
async fn an_endpoint_that_never_reads_stops_its_client_and_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    let sockets = tokio::spawn(async move {
        let mut sockets = Vec::new();
        loop {
            sockets.push(listener.accept().await.unwrap());
        }
    });
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        let head = b"POST /other HTTP/1.1\r\nhost: service\r\ncontent-length: 1000000000\r\n\r\n";
        socket.write_all(head).await.unwrap();
        let piece = vec![b'x'; 1 << 20];
        let mut sent = 0;
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_millis(200), socket.write_all(&piece)).await
        {
            sent += piece.len();
            assert!(sent < 64 << 20, "it reads on and on");
        }
        // It will leave by a reset: an end would stand behind what the proxy does not read.
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&socket).set_linger(linger).unwrap();
        clients.push(socket);
    }
    assert!(resident() < before + (64 << 20));
    others.were_served().await;
    drop(clients);
    victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
    sockets.abort();
}
