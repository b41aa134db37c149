//! RFC 9113, 6.10: CONTINUATION.

use http2::{Config, ErrorCode, HeadersKind, Role};

use crate::kit::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, POST, Seen, Side, block, data,
    frame, headers, list, settings,
};

#[test]
fn a_block_may_come_in_any_number_of_frames() {
    let mut side = Side::server();
    let block = block(GET);
    assert_eq!(side.see(&frame(HEADERS, END_STREAM, 1, &block[..1])), []);
    for byte in &block[1..block.len() - 1] {
        assert_eq!(side.see(&frame(CONTINUATION, 0, 1, &[*byte])), []);
    }
    let last = &block[block.len() - 1..];
    let seen = side.see(&frame(CONTINUATION, END_HEADERS, 1, last));
    let [
        Seen::Headers {
            kind: HeadersKind::Request,
            end_stream: true,
            ref fields,
            ..
        },
    ] = seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!(fields.len(), GET.len());
    // And no block is open any more.
    side.request(3, END_STREAM, GET);
}

#[test]
fn continuation_outside_a_block_must_be_a_protocol_error() {
    for before in [
        headers(1, 0, POST),
        [headers(1, 0, POST), data(1, 0, b"x")].concat(),
        [headers(1, 0, POST), frame(9, END_HEADERS, 1, &[])].concat(),
    ] {
        let bytes = [before, frame(CONTINUATION, END_HEADERS, 1, &[])].concat();
        Side::server().breaks(&bytes, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn continuation_on_stream_0_must_be_a_protocol_error() {
    let mut side = Side::server();
    side.see(&frame(HEADERS, 0, 1, &[0x82]));
    side.breaks(
        &frame(CONTINUATION, END_HEADERS, 0, &[]),
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn headers_without_end_headers_must_be_followed_by_continuation() {
    let mut side = Side::server();
    side.see(&frame(HEADERS, 0, 1, &[0x82]));
    side.breaks(&frame(DATA, 0, 1, b"x"), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_large_section_is_sent_in_frames_that_the_peer_takes() {
    let mut side = Side::client();
    side.see(&settings(&[(5, 20_000)]));
    side.drop_output();
    let value = "v".repeat(50_000);
    let fields = [GET, &[("x", &value)]].concat();
    side.connection.open(&list(&fields), true, 0).unwrap();
    let sent = side.sent();
    let shape: Vec<_> = sent
        .iter()
        .map(|f| (f.kind, f.flags, f.payload.len()))
        .collect();
    assert_eq!(shape.len(), 3);
    assert_eq!(shape[0], (HEADERS, END_STREAM, 20_000));
    assert_eq!(shape[1], (CONTINUATION, 0, 20_000));
    assert_eq!((shape[2].0, shape[2].1), (CONTINUATION, END_HEADERS));
    assert_eq!(side.section(&sent).len(), 5);
}

#[test]
fn a_section_that_fills_a_frame_exactly_takes_one() {
    let mut side = Side::client();
    // 82 86 84 01 01 'a', 00 01 'x', 7f and two octets of length.
    let value = "v".repeat(16_384 - 12);
    let fields = [GET, &[("x", &value)]].concat();
    side.connection.open(&list(&fields), true, 0).unwrap();
    let sent = side.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].payload.len(), 16_384);
}

#[test]
fn a_section_of_100_000_bytes_is_too_large_and_the_connection_goes_on() {
    let mut side = Side::with(Role::Server, Config::default());
    let fields: Vec<(String, String)> = (0..99)
        .map(|i| (format!("x-{i}"), "v".repeat(1000)))
        .collect();
    let fields: Vec<(&str, &str)> = GET
        .iter()
        .copied()
        .chain(fields.iter().map(|(n, v)| (n.as_str(), v.as_str())))
        .collect();
    let block = block(&fields);
    let mut bytes = Vec::new();
    let chunks: Vec<&[u8]> = block.chunks(16_384).collect();
    for (i, chunk) in chunks.iter().enumerate() {
        let kind = if i == 0 { HEADERS } else { CONTINUATION };
        let first = if i == 0 { END_STREAM } else { 0 };
        let last = if i + 1 == chunks.len() {
            END_HEADERS
        } else {
            0
        };
        bytes.extend(frame(kind, first | last, 1, chunk));
    }
    let seen = side.see(&bytes);
    let [
        Seen::Headers {
            stream,
            too_large: true,
            ref fields,
            ..
        },
    ] = seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!(fields[2], (":path".into(), "/".into()));
    side.connection
        .send_headers(stream, &list(&[(":status", "431")]), true);
    assert_eq!(side.connection.active_streams(), 0);
    side.request(3, END_STREAM, GET);
}
