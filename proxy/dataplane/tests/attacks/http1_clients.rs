//! Clients that misuse HTTP/1.

use std::time::Duration;

use graph::cluster::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bystander::Bystanders;
use crate::victim::{Victim, resident, silent};

/// Sends bytes and returns all that comes until the connection ends, which it has to.
async fn told(victim: &Victim, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut answer))
        .await
        .unwrap_or_else(|_| {
            panic!(
                "not ended: {:?} {:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(80)]),
                String::from_utf8_lossy(&bytes[bytes.len().min(80)..][..0])
            )
        })
        .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(bytes)));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn forms_by_which_requests_are_smuggled_are_answered_with_400_and_go_nowhere() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let inner = "GET /smuggled HTTP/1.1\r\nhost: service\r\n\r\n";
    for (head, status) in [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", 400),
        ("content-length: 5\r\ncontent-length: 6\r\n", 400),
        ("content-length: 5, 6\r\n", 400),
        ("content-length: +5\r\n", 400),
        ("content-length: 0x5\r\n", 400),
        ("content-length: -1\r\n", 400),
        ("content-length : 5\r\n", 400),
        ("content-length:\r\n", 400),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            501,
        ),
        ("transfer-encoding: xchunked\r\n", 400),
        ("transfer-encoding: chunked, identity\r\n", 400),
        ("transfer-encoding : chunked\r\n", 400),
        ("transfer-encoding: chunked\r\n x: y\r\n", 400),
        ("x: a\0b\r\n", 400),
        ("x: a\rb\r\n", 400),
        ("x\0y: a\r\n", 400),
        ("x y: a\r\n", 400),
        (": a\r\n", 400),
        ("no colon\r\n", 400),
        ("host: another\r\n", 400),
    ] {
        let bytes = format!("POST /echo HTTP/1.1\r\nhost: service\r\n{head}\r\n{inner}");
        let answer = told(&victim, bytes.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head:?}: {answer}"
        );
        assert!(!answer.contains("smuggled"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    for (line, status) in [
        ("GET /a\0b HTTP/1.1", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET / HTTP/1.9", 426),
        ("GET /", 426),
        ("G@T / HTTP/1.1", 400),
        ("GET http://a b/ HTTP/1.1", 400),
        ("\x16\x03\x01", 400),
    ] {
        let answer = told(&victim, format!("{line}\r\nhost: s\r\n\r\n").as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line:?}: {answer}"
        );
    }
    others.were_served().await;
    victim.becomes(|held| held.requests == 0).await;
}

#[tokio::test]
async fn a_broken_chunk_ends_the_request_and_its_connection() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    for chunk in [
        "zz\r\n",
        "5\r\nhelloX",
        "ffffffffffffffffff\r\n",
        "5\nhello\n",
        "-1\r\n",
    ] {
        let head = "POST /echo HTTP/1.1\r\nhost: service\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = told(&victim, format!("{head}{chunk}").as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{chunk:?}: {answer}"
        );
    }
    others.were_served().await;
    victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
}

#[tokio::test]
async fn a_hundred_thousand_bytes_of_headers_are_answered_with_431_that_arrives() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    for head in [
        // In many fields, in one, in a line without end, in too many empty fields.
        (0..98)
            .map(|n| format!("x-{n}: {}\r\n", "v".repeat(1000)))
            .collect::<String>(),
        format!("x: {}\r\n", "v".repeat(100_000)),
        "v".repeat(200_000),
        (0..150).map(|n| format!("x-{n}:\r\n")).collect::<String>(),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nhost: service\r\n{head}\r\n\r\n");
        let answer = told(&victim, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    others.were_served().await;
}

#[tokio::test]
async fn requests_in_a_row_whose_answers_are_not_read_are_bounded() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let bytes = b"GET /local HTTP/1.1\r\nhost: service\r\n\r\n".repeat(2000);
    let before = resident();
    let mut sent = 0;
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_secs(2), socket.write_all(&bytes)).await
    {
        sent += bytes.len();
        assert!(sent < 512 << 20, "it reads on and on");
    }
    assert!(resident() < before + (64 << 20));
    others.were_served().await;
    // Who takes its answers after all gets all of them that were asked for.
    let mut one = TcpStream::connect(victim.address).await.unwrap();
    let (mut read, mut write) = one.split();
    let (mut got, mut buffer) = (0, vec![0; 64 << 10]);
    let asked = bytes.repeat(3);
    let (sent, ()) = tokio::join!(write.write_all(&asked), async {
        let mut text = String::new();
        while got < 6000 {
            let n = read.read(&mut buffer).await.unwrap();
            assert!(n > 0, "ended after {got}");
            text.push_str(&String::from_utf8_lossy(&buffer[..n]));
            while let Some(at) = text.find("\r\n\r\nhere") {
                text.drain(..at + 8);
                got += 1;
            }
        }
    });
    sent.unwrap();
}

#[tokio::test]
async fn an_answer_that_ends_its_connection_reaches_a_slow_reader_whole() {
    let victim = Victim::new().await;
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let request = b"GET /big HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut whole = Vec::new();
    let mut buffer = vec![0; 32 << 10];
    loop {
        let n = socket.read(&mut buffer).await.unwrap();
        if n == 0 {
            break;
        }
        whole.extend_from_slice(&buffer[..n]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let head = whole.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(whole.len() - head, 1 << 20);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_last_answer_does_not_keep_its_connection() {
    let victim = Victim::new().await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        // An answer that ends the connection, and more asked behind it.
        let local = b"GET /local HTTP/1.1\r\nhost: service\r\n\r\n".repeat(20_000);
        let _ = tokio::time::timeout(Duration::from_millis(200), socket.write_all(&local)).await;
        let _ = tokio::time::timeout(Duration::from_millis(50), socket.write_all(b"\0\0\0")).await;
        sockets.push(socket);
    }
    let others = Bystanders::at(victim.address).await;
    others.were_served().await;
    drop(sockets);
    victim.becomes(|held| held.connections <= 3).await;
}

#[tokio::test]
async fn a_large_answer_waits_for_its_client_in_bounded_room() {
    let victim = Victim::with(endless().await, UpstreamProtocol::Http1, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let before = resident();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        let request = b"GET /other HTTP/1.1\r\nhost: service\r\n\r\n";
        socket.write_all(request).await.unwrap();
        sockets.push(socket);
    }
    victim.becomes(|held| held.requests >= 20).await;
    // Once the worker has had turns for others, it has taken what it would take.
    others.were_served().await;
    assert!(resident() < before + (64 << 20), "{}", resident() - before);
    drop(sockets);
    victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
}

/// An endpoint whose answers never end.
async fn endless() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer).await;
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let _ = socket.write_all(head).await;
                let chunk = [&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat();
                while socket.write_all(&chunk).await.is_ok() {}
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_that_goes_while_its_request_is_under_way_takes_it_along() {
    let victim = Victim::with(silent().await, UpstreamProtocol::Http2, |_| {}).await;
    for request in [
        "GET /other HTTP/1.1\r\nhost: service\r\n\r\n",
        "POST /other HTTP/1.1\r\nhost: service\r\ncontent-length: 10\r\n\r\nhalf",
        // Half-closed: taken for gone, as by Envoy.
        "GET /other HTTP/1.1\r\nhost: service\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        victim.becomes(|held| held.requests == 1).await;
        socket.shutdown().await.unwrap();
        victim
            .becomes(|held| held.requests == 0 && held.attempts == 0)
            .await;
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}
