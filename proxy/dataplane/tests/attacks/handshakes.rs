//! Connections that never get as far as a request.

use std::time::Duration;

use graph::cluster::UpstreamProtocol;
use graph::route::Action;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::bystander::Bystanders;
use crate::graphs::{cluster, forward, http, manager, route, secured};
use crate::peers::{free, server, started};
use crate::victim::{Victim, resident};

#[tokio::test]
async fn connections_that_say_nothing_cost_little_and_nobody_else() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let before = resident();
    let mut sockets = Vec::new();
    for _ in 0..400 {
        sockets.push(TcpStream::connect(victim.address).await.unwrap());
    }
    victim.becomes(|held| held.connections >= 400).await;
    assert!(resident() < before + 400 * (16 << 10));
    others.were_served().await;
    drop(sockets);
    victim.becomes(|held| held.connections <= 3).await;
}

#[tokio::test]
async fn a_tls_handshake_that_is_not_finished_has_its_time_and_no_more() {
    let (good, _) = server("good").await;
    let log = tempfile::tempdir().unwrap();
    let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
    let manager = manager(routes, log.path().join("log").to_str().unwrap());
    let address = free();
    let clusters = vec![cluster(0, &[good], UpstreamProtocol::Http1)];
    let authority = Authority::new();
    let tls = authority.server(&[b"h2"]);
    let mut graph = secured(address, Some(tls), http(manager), clusters);
    {
        let graph = std::sync::Arc::get_mut(&mut graph).unwrap();
        let listener = std::sync::Arc::get_mut(&mut graph.listeners[0]).unwrap();
        let chain = std::sync::Arc::get_mut(&mut listener.chains[0]).unwrap();
        chain.connect_timeout = Duration::from_secs(1);
    }
    let plane = started(address, &graph).await;
    let mut ended = Vec::new();
    for hello in [
        &b""[..],
        // The head of a record that never comes; a handshake message of the largest size, in small pieces.
        b"\x16\x03\x01\x40\x00",
        b"\x16\x03\x01\x00\x05\x01\x00\xff\xff\x03",
    ] {
        for _ in 0..50 {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(hello).await.unwrap();
            ended.push(tokio::spawn(async move {
                let mut rest = Vec::new();
                let _ = socket.read_to_end(&mut rest).await;
            }));
        }
    }
    for end in ended {
        tokio::time::timeout(Duration::from_secs(10), end)
            .await
            .expect("a handshake was waited for without end")
            .unwrap();
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while plane.held().connections > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_is_no_handshake_and_no_http_is_cut_off() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\0\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let read = socket.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(5), read)
            .await
            .expect("not cut off");
    }
    others.were_served().await;
}

#[tokio::test]
async fn connections_opened_and_left_at_once_leave_nothing() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    for n in 0..3000u32 {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        match n % 3 {
            0 => {}
            1 => socket.write_all(b"GET / HT").await.unwrap(),
            _ => {
                let sock = socket2::SockRef::from(&socket);
                sock.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
    }
    others.were_served().await;
    let held = victim.becomes(|held| held.connections <= 3).await;
    assert!(held.timers < 10_000, "{held:?}");
}
