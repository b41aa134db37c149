//! Clients that misuse HTTP/2.

use std::time::Duration;

use graph::cluster::UpstreamProtocol;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::bystander::Bystanders;
use crate::raw::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING,
    PREFACE, Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, code, field, frame, get, next, post,
    request, reset, setting,
};
use crate::victim::{Victim, resident, silent};

/// Sends the same bytes again and again until the other side has had enough.
async fn flood(victim: &Victim, bytes: &[u8]) -> u32 {
    let mut peer = Peer::client(victim.address, b"").await;
    let many = bytes.repeat((32 << 10) / bytes.len());
    for _ in 0..1000 {
        if !peer.send(&many).await {
            break;
        }
    }
    peer.cut_off_with().await
}

#[tokio::test]
async fn floods_of_frames_that_cost_the_client_nothing_end_its_connection() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let opened = [post(1, "/other"), frame(DATA, 0, 1, b"")].concat();
    for (name, bytes) in [
        ("SETTINGS", frame(SETTINGS, 0, 0, &setting(4, 65_535))),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        (
            "WINDOW_UPDATE",
            frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()),
        ),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 1])),
        ("unknown frames", frame(0xbb, 0, 0, b"")),
    ] {
        // A peer that reads is told all acknowledgements and costs nothing: PING alone goes on.
        if name != "PING" {
            assert_eq!(flood(&victim, &bytes).await, ENHANCE_YOUR_CALM, "{name}");
        }
    }
    let mut peer = Peer::client(victim.address, b"").await;
    peer.send(&opened).await;
    peer.send(&frame(DATA, 0, 1, b"").repeat(1000)).await;
    assert_eq!(peer.cut_off_with().await, ENHANCE_YOUR_CALM, "empty DATA");
    others.were_served().await;
    victim.becomes(|held| held.requests == 0).await;
}

#[tokio::test]
async fn pings_whose_answers_are_not_read_end_the_connection() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    socket.write_all(&hello).await.unwrap();
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(10_000);
    let before = resident();
    // Nothing is read here: the socket's buffers fill, then the proxy's own room is used up.
    let mut sent = 0;
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_secs(5), socket.write_all(&pings)).await
    {
        sent += pings.len();
        assert!(sent < 512 << 20, "it reads on and on");
    }
    assert!(resident() < before + (64 << 20));
    others.were_served().await;
}

#[tokio::test]
async fn continuations_without_end_end_the_connection() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    for piece in [
        Vec::new(),
        field("x-filler", &"a".repeat(100)),
        vec![0; 16_000],
    ] {
        let mut peer = Peer::client(victim.address, b"").await;
        peer.send(&frame(HEADERS, 0, 1, &request("GET", "/"))).await;
        for _ in 0..2000 {
            if !peer.send(&frame(CONTINUATION, 0, 1, &piece)).await {
                break;
            }
        }
        assert_eq!(peer.cut_off_with().await, ENHANCE_YOUR_CALM);
    }
    others.were_served().await;
    assert_eq!(victim.becomes(|held| held.requests == 0).await.requests, 0);
}

#[tokio::test]
async fn a_hundred_thousand_streams_opened_and_reset_end_the_connection_and_leave_nothing() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let victim = Victim::with(silent().await, protocol, |_| {}).await;
        let others = Bystanders::at(victim.address).await;
        let mut peer = Peer::client(victim.address, b"").await;
        'attack: for batch in 0..1000 {
            let mut bytes = Vec::new();
            for n in 0..100 {
                let stream = (batch * 100 + n) * 2 + 1;
                bytes.extend(get(stream, "/other"));
                bytes.extend(reset(stream));
            }
            if !peer.send(&bytes).await {
                break 'attack;
            }
        }
        assert_eq!(peer.cut_off_with().await, ENHANCE_YOUR_CALM);
        others.were_served().await;
        let held = victim
            .becomes(|held| held.requests == 0 && held.attempts == 0 && held.pending == 0)
            .await;
        assert!(held.timers < 20_000, "{held:?}");
    }
}

#[tokio::test]
async fn streams_reset_by_their_errors_are_counted_as_resets() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let mut peer = Peer::client(victim.address, b"").await;
    for stream in (1..20_000).step_by(2) {
        // A window that may not be: the proxy resets the stream (CVE-2025-8671).
        let bytes = [
            get(stream, "/other"),
            frame(WINDOW_UPDATE, 0, stream, &0u32.to_be_bytes()),
        ];
        if !peer.send(&bytes.concat()).await {
            break;
        }
    }
    assert_eq!(peer.cut_off_with().await, ENHANCE_YOUR_CALM);
    others.were_served().await;
}

#[tokio::test]
async fn a_client_that_cancels_as_many_as_it_lets_be_answered_is_never_cut_off() {
    let victim = Victim::new().await;
    let (mut read, mut write) = TcpStream::connect(victim.address)
        .await
        .unwrap()
        .into_split();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    write.write_all(&hello).await.unwrap();
    // One in two is cancelled, the other is answered and gives the budget back.
    let reader = tokio::spawn(async move {
        let mut answered = 0;
        while let Some(f) = next(&mut read).await {
            assert_ne!(f.kind, crate::raw::GOAWAY);
            answered += u32::from(f.kind == HEADERS);
            if answered == 5000 {
                return true;
            }
        }
        false
    });
    for n in 0..5000 {
        let (first, second) = (n * 4 + 1, n * 4 + 3);
        let bytes = [get(first, "/other"), get(second, "/local"), reset(first)].concat();
        write.write_all(&bytes).await.unwrap();
    }
    assert!(reader.await.unwrap());
}

#[tokio::test]
async fn a_client_that_cancels_all_its_requests_is_forgiven_some_with_every_second() {
    let victim = Victim::new().await;
    let (mut read, mut write) = TcpStream::connect(victim.address)
        .await
        .unwrap()
        .into_split();
    let mut streams = (1..).step_by(2);
    let mut cancelled = |n: usize| -> Vec<u8> {
        let streams = streams.by_ref().take(n);
        streams
            .flat_map(|stream| [get(stream, "/other"), reset(stream)].concat())
            .collect()
    };
    // All that it may cancel at once, and then what the second since then allows.
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, b""), &cancelled(2000)];
    write.write_all(&hello.concat()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let more = [cancelled(100), frame(PING, 0, 0, &[7; 8])];
    write.write_all(&more.concat()).await.unwrap();
    loop {
        let frame = next(&mut read).await.expect("it goes on");
        if (frame.kind, frame.flags) == (PING, ACK) {
            break;
        }
    }
    // More than that it does not get.
    let _ = write.write_all(&cancelled(4000)).await;
    let away = loop {
        let frame = next(&mut read).await.expect("it is told why");
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(code(&[away]), ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn a_hundred_thousand_bytes_of_headers_are_answered_with_431() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let (mut read, mut write) = TcpStream::connect(victim.address)
        .await
        .unwrap()
        .into_split();
    let mut block = request("GET", "/");
    for n in 0..98 {
        block.extend(field(&format!("x-{n}"), &"v".repeat(1000)));
    }
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    let mut pieces = block.chunks(16_000).peekable();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        let mut flags = if last { END_HEADERS } else { 0 };
        if kind == HEADERS {
            flags |= END_STREAM;
        }
        bytes.extend(frame(kind, flags, 1, piece));
        kind = CONTINUATION;
    }
    write.write_all(&bytes).await.unwrap();
    let answer = loop {
        let frame = next(&mut read).await.unwrap();
        if frame.kind == HEADERS {
            break frame;
        }
    };
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(text.contains("431"), "{text}");
    others.were_served().await;
}

#[tokio::test]
async fn answers_that_a_client_asks_for_and_does_not_read_are_bounded() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let hello = [
        PREFACE,
        &frame(SETTINGS, 0, 0, b""),
        &frame(SETTINGS, ACK, 0, b""),
    ];
    socket.write_all(&hello.concat()).await.unwrap();
    let before = resident();
    // Heads of answers are under no window: only reading no more holds them back.
    let mut stream = 1;
    let mut blocked = false;
    while !blocked {
        let mut bytes = Vec::new();
        for _ in 0..1000 {
            bytes.extend(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &request("GET", "/local"),
            ));
            stream += 2;
        }
        let wrote = tokio::time::timeout(Duration::from_secs(2), socket.write_all(&bytes)).await;
        blocked = !matches!(wrote, Ok(Ok(())));
        assert!(stream < 2_000_000, "it reads on and on");
    }
    assert!(resident() < before + (64 << 20));
    others.were_served().await;
}

#[tokio::test]
async fn windows_that_never_open_hold_one_window_for_each_stream_and_nobody_else() {
    let victim = Victim::new().await;
    let others = Bystanders::at(victim.address).await;
    // No byte of any answer may come: SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let mut peer = Peer::client(victim.address, &setting(4, 0)).await;
    let before = resident();
    for stream in (1..400).step_by(2) {
        peer.send(&get(stream, "/big")).await;
    }
    // All of them have begun to be answered.
    victim.becomes(|held| held.requests >= 200).await;
    // Once the worker has had turns for others again, it has taken all that it would take.
    let later = Bystanders::at(victim.address).await;
    later.were_served().await;
    assert!(resident() < before + (120 << 20), "{before} {}", resident());
    others.were_served().await;
    drop(peer);
    victim
        .becomes(|held| held.requests == 0 && held.attempts == 0)
        .await;
}

#[tokio::test]
async fn bodies_that_their_endpoint_does_not_take_are_bounded_by_the_windows() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let deaf = tokio::spawn(async move {
        let mut sockets = Vec::new();
        loop {
            sockets.push(listener.accept().await.unwrap());
        }
    });
    let victim = Victim::with(endpoint, UpstreamProtocol::Http1, |_| {}).await;
    let others = Bystanders::at(victim.address).await;
    let mut peer = Peer::client(victim.address, b"").await;
    let before = resident();
    let piece = frame(DATA, 0, 1, &[0; 16_384]);
    peer.send(&post(1, "/other")).await;
    // Beyond every window that was announced: the stream is reset, and what still comes of it is dropped.
    for _ in 0..4000 {
        assert!(peer.send(&piece).await);
    }
    // A frame that ends the connection.
    peer.send(&frame(PING, 0, 1, b"")).await;
    let frames = peer.until_end().await;
    let told = frames.iter().find(|f| f.kind == RST_STREAM).unwrap();
    assert_eq!(told.payload, 3u32.to_be_bytes(), "FLOW_CONTROL_ERROR");
    assert!(resident() < before + (64 << 20));
    others.were_served().await;
    victim.becomes(|held| held.requests == 0).await;
    deaf.abort();
}
