//! The same bytes cut anywhere give the same events, answers and state.

use http2::{ErrorCode, Role};

use crate::kit::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, OK, PADDED, PING, POST, Seen, Side,
    block, data, frame, goaway, headers, rst_stream, settings, window_update,
};

/// Joins the pieces of content that belong together.
fn joined(seen: Vec<Seen>) -> Vec<Seen> {
    let mut out: Vec<Seen> = Vec::new();
    for event in seen {
        match (out.last_mut(), event) {
            (
                Some(Seen::Data {
                    stream,
                    bytes,
                    end_stream,
                    ..
                }),
                Seen::Data {
                    stream: next,
                    bytes: more,
                    end_stream: end,
                    ..
                },
            ) if *stream == next && !*end_stream => {
                bytes.extend(more);
                *end_stream = end;
            }
            (_, event) => out.push(event),
        }
    }
    out
}

/// A conversation with a server that has some of everything.
fn to_server() -> Vec<u8> {
    let get = block(GET);
    [
        settings(&[(4, 100_000), (5, 20_000)]),
        headers(1, END_STREAM, GET),
        headers(3, 0, POST),
        data(3, 0, b"some content"),
        frame(PING, 0, 0, b"abcdefgh"),
        frame(DATA, PADDED, 3, &[4, b'p', b'a', b'd', 0, 0, 0, 0]),
        frame(HEADERS, END_STREAM, 5, &get[..3]),
        frame(CONTINUATION, 0, 5, &get[3..4]),
        frame(CONTINUATION, END_HEADERS, 5, &get[4..]),
        frame(0x77, 9, 0, b"an extension's"),
        window_update(0, 1000),
        window_update(3, 1000),
        headers(3, END_STREAM, &[("grpc-status", "0")]),
        headers(7, 0, POST),
        rst_stream(7, ErrorCode::CANCEL),
        headers(9, END_STREAM, &[("malformed", "")]),
        headers(11, 0, &[POST, &[("content-length", "3")]].concat()),
        data(11, END_STREAM, b"too much"),
        headers(13, 0, POST),
        data(13, END_STREAM, &[b'x'; 3000]),
    ]
    .concat()
}

fn to_client() -> Vec<u8> {
    [
        settings(&[(3, 50)]),
        headers(1, 0, &[(":status", "103")]),
        headers(1, 0, OK),
        data(1, 0, b"hello"),
        headers(3, END_STREAM, &[(":status", "404")]),
        data(1, END_STREAM, b""),
        rst_stream(5, ErrorCode::REFUSED_STREAM),
        headers(7, 0, OK),
        frame(DATA, PADDED | END_STREAM, 7, &[2, b'x', 0, 0]),
        goaway(7, ErrorCode::NO_ERROR),
    ]
    .concat()
}

fn run(role: Role, bytes: &[u8], cuts: &mut dyn FnMut() -> usize) -> (Vec<Seen>, Vec<u8>) {
    let mut side = Side::with(role, http2::Config::default());
    if role == Role::Client {
        for _ in 0..6 {
            side.open(true);
        }
    }
    let mut seen = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cuts().clamp(1, rest.len()));
        seen.extend(side.see(now));
        rest = later;
    }
    (joined(seen), side.connection.output().to_vec())
}

#[test]
fn every_cut_into_two_gives_the_same() {
    for (role, bytes) in [(Role::Server, to_server()), (Role::Client, to_client())] {
        let whole = run(role, &bytes, &mut || usize::MAX);
        assert!(whole.0.len() > 8, "{whole:?}");
        for at in 1..bytes.len() {
            let mut first = Some(at);
            let got = run(role, &bytes, &mut || first.take().unwrap_or(usize::MAX));
            assert_eq!(got, whole, "cut at {at}");
        }
    }
}

#[test]
fn random_cuts_give_the_same() {
    let mut seed = 3u64;
    for (role, bytes) in [(Role::Server, to_server()), (Role::Client, to_client())] {
        let whole = run(role, &bytes, &mut || usize::MAX);
        for most in [1, 2, 5, 9, 40, 500] {
            for _ in 0..30 {
                let got = run(role, &bytes, &mut || {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    usize::try_from(seed >> 33).unwrap() % most + 1
                });
                assert_eq!(got, whole);
            }
        }
    }
}
