//! Endpoints that misuse HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bystander::Bystanders;
use crate::peers::{ask1, ask2, http1, http2};
use crate::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, field, frame, next,
};
use crate::victim::{Victim, resident};

/// An endpoint that says `hello` on each connection and `words(stream)` to each request.
async fn saying(words: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let words = Arc::new(words);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let words = words.clone();
            tokio::spawn(async move {
                let (mut read, mut write) = socket.into_split();
                let mut preface = [0; PREFACE.len()];
                read.read_exact(&mut preface).await.ok()?;
                write.write_all(&frame(SETTINGS, 0, 0, b"")).await.ok()?;
                while let Some(frame) = next(&mut read).await {
                    if frame.kind == HEADERS {
                        write.write_all(&words(frame.stream)).await.ok()?;
                    }
                }
                Some(())
            });
        }
    });
    address
}

fn ok(stream: u32, flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &[0x88])
}

#[tokio::test]
async fn answers_that_are_none_become_errors_of_the_proxy() {
    type Words = fn(u32) -> Vec<u8>;
    let all: [(&str, Words); 9] = [
        ("garbage", |_| vec![0xff; 100]),
        ("no status", |s| {
            frame(HEADERS, END_HEADERS | END_STREAM, s, &field("x", "y"))
        }),
        ("reset", |s| frame(RST_STREAM, 0, s, &2u32.to_be_bytes())),
        ("DATA before HEADERS", |s| frame(DATA, END_STREAM, s, b"x")),
        ("a push", |s| frame(5, END_HEADERS, s, &[0, 0, 0, 2, 0x82])),
        ("CONTINUATION without end", |s| {
            let mut all = frame(HEADERS, 0, s, &[0x88]);
            all.extend(frame(CONTINUATION, 0, s, b"").repeat(1000));
            all
        }),
        ("a broken block", |s| {
            frame(HEADERS, END_HEADERS, s, &[0x80])
        }),
        ("upper case", |s| {
            let block = [vec![0x88], field("X-Upper", "y")].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, s, &block)
        }),
        ("GOAWAY of all", |_| {
            frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0])
        }),
    ];
    for (name, words) in all {
        let other = saying(words).await;
        let victim = Victim::with(other, UpstreamProtocol::Http2, |_| {}).await;
        let others = Bystanders::at(victim.address).await;
        let (mut one, mut two) = (http1(victim.address).await, http2(victim.address).await);
        for answer in [
            ask1(&mut one, "GET", "/other", Bytes::new()).await,
            ask2(&mut two, "GET", "/other", Bytes::new()).await,
        ] {
            assert!(matches!(answer.status, 502 | 503), "{name:?} {answer:?}");
        }
        others.were_served().await;
        victim
            .becomes(|held| held.requests == 0 && held.attempts == 0)
            .await;
    }
}

#[tokio::test]
async fn floods_behind_an_answer_do_not_stop_the_answer_or_others() {
    for flood in [
        frame(SETTINGS, 0, 0, b""),
        frame(PING, 0, 0, &[0; 8]),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
    ] {
        let other = saying(move |s| [ok(s, END_STREAM), flood.repeat(5000)].concat()).await;
        let victim = Victim::with(other, UpstreamProtocol::Http2, |_| {}).await;
        let others = Bystanders::at(victim.address).await;
        let mut two = http2(victim.address).await;
        for _ in 0..10 {
            let answer = ask2(&mut two, "GET", "/other", Bytes::new()).await;
            assert_eq!(answer.status, 200);
        }
        others.were_served().await;
    }
}

#[tokio::test]
async fn an_answer_before_its_request_ends_arrives_and_leaves_nothing() {
    let other = saying(|s| [ok(s, 0), frame(DATA, END_STREAM, s, b"early")].concat()).await;
    let victim = Victim::with(other, UpstreamProtocol::Http2, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let mut two = http2(victim.address).await;
    for _ in 0..20 {
        let answer = ask2(&mut two, "GET", "/other", Bytes::new()).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"early"[..]));
    }
    for _ in 0..20 {
        let mut socket = tokio::net::TcpStream::connect(victim.address)
            .await
            .unwrap();
        let half = b"POST /other HTTP/1.1\r\nhost: service\r\ncontent-length: 1000000\r\n\r\nhalf";
        socket.write_all(half).await.unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 ") && text.contains("early"),
            "{text}"
        );
    }
    others.were_served().await;
    victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
}

#[tokio::test]
async fn more_than_the_windows_allow_is_an_error_and_no_memory() {
    let piece = vec![b'x'; 16_384];
    let other = saying(move |s| {
        let mut all = ok(s, 0);
        for _ in 0..100 {
            all.extend(frame(DATA, 0, s, &piece));
        }
        all
    })
    .await;
    let victim = Victim::with(other, UpstreamProtocol::Http2, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..50 {
        // Nobody reads these answers.
        let mut socket = tokio::net::TcpStream::connect(victim.address)
            .await
            .unwrap();
        let get = b"GET /other HTTP/1.1\r\nhost: service\r\n\r\n";
        socket.write_all(get).await.unwrap();
        clients.push(socket);
    }
    others.were_served().await;
    assert!(resident() < before + (128 << 20));
    drop(clients);
    victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
}

#[tokio::test]
async fn a_reset_while_data_waits_for_the_client_gives_the_window_back() {
    // Each answer is larger than its client's window of 0 lets through, and is then reset by its endpoint.
    let piece = vec![b'x'; 16_000];
    let other = saying(move |s| {
        let mut all = ok(s, 0);
        all.extend(frame(DATA, 0, s, &piece));
        all.extend(frame(RST_STREAM, 0, s, &2u32.to_be_bytes()));
        all
    })
    .await;
    let victim = Victim::with(other, UpstreamProtocol::Http2, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let settings = crate::raw::setting(4, 0);
    let (mut read, mut write) = tokio::net::TcpStream::connect(victim.address)
        .await
        .unwrap()
        .into_split();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat();
    write.write_all(&hello).await.unwrap();
    // 3000 times 16,000 bytes are three windows of the endpoint's connection.
    let mut resets = 0;
    for stream in (1..6000).step_by(2) {
        write
            .write_all(&crate::raw::get(stream, "/other"))
            .await
            .unwrap();
        loop {
            let frame = next(&mut read).await.unwrap();
            assert_ne!(frame.kind, GOAWAY);
            if frame.kind == RST_STREAM {
                assert_eq!(frame.stream, stream);
                resets += 1;
                break;
            }
        }
    }
    assert_eq!(resets, 3000);
    others.were_served().await;
    let held = victim.becomes(|held| held.requests == 0).await;
    assert!(held.upstream_connections <= 3, "{held:?}");
}
