//! CONNECT and upgrades where they are not wanted, and tunnels that are not used as agreed.

use std::time::Duration;

use graph::cluster::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bystander::Bystanders;
use crate::raw::{END_HEADERS, HEADERS, Peer, RST_STREAM, field, frame};
use crate::victim::{Victim, resident, silent};

async fn answer(victim: &Victim, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut buffer = vec![0; 64 << 10];
    let n = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut buffer))
        .await
        .expect("no answer")
        .unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

#[tokio::test]
async fn connect_and_upgrades_that_no_route_allows_are_refused() {
    let victim = Victim::with(silent().await, UpstreamProtocol::Http1, |manager| {
        manager.upgrades = Vec::new();
    })
    .await;
    let others = Bystanders::at(victim.address).await;
    for (bytes, status) in [
        (
            "CONNECT service:80 HTTP/1.1\r\nhost: service:80\r\n\r\nbytes",
            "404",
        ),
        (
            "GET /other HTTP/1.1\r\nhost: service\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbytes",
            "403",
        ),
        (
            "GET /other HTTP/1.1\r\nhost: service\r\nconnection: upgrade\r\nupgrade: tunnel-anything\r\n\r\n",
            "403",
        ),
    ] {
        let answer = answer(&victim, bytes.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{bytes}: {answer}"
        );
    }
    let mut peer = Peer::client(victim.address, b"").await;
    let block = [
        field(":method", "CONNECT"),
        field(":authority", "service:80"),
    ]
    .concat();
    for stream in (1..2000).step_by(2) {
        peer.send(&frame(HEADERS, END_HEADERS, stream, &block))
            .await;
    }
    // A frame that ends it: all before it were answered.
    peer.send(&frame(HEADERS, END_HEADERS, 2, &block)).await;
    let frames = peer.until_end().await;
    let answered = frames
        .iter()
        .filter(|f| f.kind == HEADERS || f.kind == RST_STREAM);
    assert!(answered.count() >= 1000);
    others.were_served().await;
    victim.becomes(|held| held.requests == 0).await;
}

#[tokio::test]
async fn an_upgrade_that_was_not_asked_for_or_not_agreed_to_makes_no_tunnel() {
    // The endpoint refuses the upgrade: what follows is another request, or nothing, but no tunnel.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let mut all = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let n = socket.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..n]);
            if all.windows(6).any(|w| w == b"second") {
                return all;
            }
            let refused = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
            socket.write_all(refused).await.unwrap();
        }
    });
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let upgrade = b"GET /other HTTP/1.1\r\nhost: service\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    socket.write_all(upgrade).await.unwrap();
    socket
        .write_all(b"GET /other/second HTTP/1.1\r\nhost: service\r\n\r\n")
        .await
        .unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(5), seen)
        .await
        .expect("the second request did not come as one")
        .unwrap();
    let text = String::from_utf8_lossy(&seen).into_owned();
    // It was read as a request: the proxy has added what it adds to requests.
    let second = text.split("GET /other/second").nth(1).unwrap();
    assert!(second.contains("x-request-id"), "{text}");
}

#[tokio::test]
async fn a_tunnel_whose_one_end_does_not_read_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    let held = tokio::spawn(async move {
        let mut sockets = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await.unwrap();
            let agreed = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            socket.write_all(agreed).await.unwrap();
            sockets.push(socket);
        }
    });
    let victim = Victim::with(other, UpstreamProtocol::Http1, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        let upgrade = b"GET /other HTTP/1.1\r\nhost: service\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        socket.write_all(upgrade).await.unwrap();
        let mut buffer = [0; 4096];
        let n = socket.read(&mut buffer).await.unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 101 "));
        let piece = vec![0; 1 << 20];
        let mut sent = 0;
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_millis(300), socket.write_all(&piece)).await
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
    held.abort();
}
