//! Slowloris both ways: clients and endpoints that never stop and never come to an end.

use std::net::SocketAddr;
use std::time::Duration;

use graph::cluster::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::bystander::Bystanders;
use crate::peers::{ask1, ask2, http1, http2};
use crate::raw::{
    CONTINUATION, DATA, END_HEADERS, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, next, post,
    request,
};
use crate::victim::{Victim, resident};

/// Clients of each kind.
const CLIENTS: usize = 100;
/// Between two pieces: often enough that no connection is ever idle for as long as it may be.
const PAUSE: Duration = Duration::from_millis(40);
/// What a request may take, in these tests.
const LIMIT: Duration = Duration::from_millis(1200);

/// A client that says `first` and then piece after piece, until the other side ends the connection, which it has to.
/// What it was told.
fn trickle(address: SocketAddr, first: Vec<u8>, piece: Vec<u8>) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let sending = tokio::spawn(async move {
            if write.write_all(&first).await.is_err() {
                return;
            }
            while write.write_all(&piece).await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        let mut told = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(15), read.read_to_end(&mut told));
        let _ = ended.await.expect("it may go on for ever");
        sending.abort();
        told
    })
}

/// The same by HTTP/2, where its stream may be all that ends: by an answer, a reset or with the connection.
fn trickle2(address: SocketAddr, first: Vec<u8>, piece: Vec<u8>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, b""), &first].concat();
        let sending = tokio::spawn(async move {
            if write.write_all(&hello).await.is_err() {
                return;
            }
            while write.write_all(&piece).await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        let ended = async {
            while let Some(frame) = next(&mut read).await {
                if frame.stream == 1 && [HEADERS, RST_STREAM].contains(&frame.kind) {
                    return;
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(15), ended);
        ended.await.expect("it may go on for ever");
        sending.abort();
    })
}

/// That all come to an end, those of HTTP/1.1 by 408, and that the process took no more than 32 KiB for each.
async fn all_end(victim: &Victim, told: Vec<JoinHandle<Vec<u8>>>, streams: Vec<JoinHandle<()>>) {
    let before = resident();
    let others = Bystanders::at(victim.address).await;
    let clients = told.len() + streams.len();
    for told in told {
        let told = String::from_utf8_lossy(&told.await.unwrap()).into_owned();
        assert!(told.starts_with("HTTP/1.1 408 "), "{told:?}");
    }
    for ended in streams {
        ended.await.unwrap();
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < clients * (32 << 10), "{grown}");
    others.were_served().await;
    let last = victim.becomes(|held| held.requests == 0).await;
    assert_eq!(last.pending + last.attempts, 0, "{last:?}");
}

#[tokio::test]
async fn clients_that_never_come_to_the_end_of_their_head_are_ended() {
    let (other, kind) = (crate::victim::silent().await, UpstreamProtocol::Http1);
    let victim = Victim::with(other, kind, |manager| {
        manager.request_headers_timeout = LIMIT;
    })
    .await;
    let head = b"POST /echo HTTP/1.1\r\nhost: service\r\nx-slow: ";
    let block = request("POST", "/echo");
    let (told, streams) = (0..CLIENTS)
        .map(|_| {
            let one = trickle(victim.address, head.to_vec(), b"a".to_vec());
            let first = frame(HEADERS, 0, 1, &block);
            // A field of up to 127 bytes is begun, and comes byte by byte.
            let piece = frame(CONTINUATION, 0, 1, b"\0");
            (one, trickle2(victim.address, first, piece))
        })
        .unzip();
    all_end(&victim, told, streams).await;
}

#[tokio::test]
async fn clients_that_never_come_to_the_end_of_their_body_are_ended() {
    let (other, kind) = (crate::victim::silent().await, UpstreamProtocol::Http1);
    let victim = Victim::with(other, kind, |manager| {
        manager.request_timeout = LIMIT;
        manager.stream_idle_timeout = LIMIT;
    })
    .await;
    let head = b"POST /other HTTP/1.1\r\nhost: service\r\ncontent-length: 100000\r\n\r\n";
    let chunked = b"POST /other HTTP/1.1\r\nhost: service\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut told = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..CLIENTS / 2 {
        told.push(trickle(victim.address, head.to_vec(), b"a".to_vec()));
        let chunk = b"1\r\na\r\n".to_vec();
        told.push(trickle(victim.address, chunked.to_vec(), chunk));
        let (first, piece) = (post(1, "/other"), frame(DATA, 0, 1, b"a"));
        streams.push(trickle2(victim.address, first, piece));
        let (first, empty) = (post(1, "/other"), frame(DATA, 0, 1, b""));
        streams.push(trickle2(victim.address, first, empty));
    }
    all_end(&victim, told, streams).await;
}

/// An endpoint that says `first` to each connection once it was asked something, and then piece after piece.
async fn trickling(first: Vec<u8>, piece: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (first, piece) = (first.clone(), piece.clone());
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer).await?;
                socket.write_all(&first).await?;
                while socket.write_all(&piece).await.is_ok() {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    address
}

#[tokio::test]
async fn endpoints_that_never_come_to_an_end_are_left() {
    let settings = frame(SETTINGS, 0, 0, b"");
    let (h1, h2) = (UpstreamProtocol::Http1, UpstreamProtocol::Http2);
    let open = frame(HEADERS, 0, 1, &[0x88]);
    let whole = frame(HEADERS, END_HEADERS, 1, &[0x88]);
    for (first, piece, kind) in [
        (b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b"a".to_vec(), h1),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec(),
            b"a".to_vec(),
            h1,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"1\r\na\r\n".to_vec(),
            h1,
        ),
        (
            [settings.clone(), open].concat(),
            frame(CONTINUATION, 0, 1, b"\0"),
            h2,
        ),
        ([settings, whole].concat(), frame(DATA, 0, 1, b"a"), h2),
    ] {
        let what = String::from_utf8_lossy(&first).into_owned();
        let other = trickling(first, piece).await;
        let victim = Victim::with(other, kind, |manager| {
            manager.max_stream_duration = LIMIT;
        })
        .await;
        let others = Bystanders::at(victim.address).await;
        let address = victim.address;
        let asked: Vec<_> = (0..20)
            .map(|n| {
                tokio::spawn(async move {
                    let patience = Duration::from_secs(15);
                    let asked = async {
                        // What comes of it is the client's to see: an error, or an answer that breaks off.
                        if n % 2 == 0 {
                            let mut client = http1(address).await;
                            let _ = tokio::spawn(async move {
                                ask1(&mut client, "GET", "/other", bytes::Bytes::new()).await
                            })
                            .await;
                        } else {
                            let mut client = http2(address).await;
                            let _ = tokio::spawn(async move {
                                ask2(&mut client, "GET", "/other", bytes::Bytes::new()).await
                            })
                            .await;
                        }
                    };
                    tokio::time::timeout(patience, asked).await.is_ok()
                })
            })
            .collect();
        for asked in asked {
            assert!(asked.await.unwrap(), "waited for without end: {what:?}");
        }
        others.were_served().await;
        let last = victim
            .becomes(|held| held.requests == 0 && held.attempts == 0)
            .await;
        assert!(last.upstream_connections <= 2, "{what:?}: {last:?}");
    }
}
