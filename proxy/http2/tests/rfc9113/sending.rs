//! What a caller sends, and in what frames (RFC 9113, 8.1).

use http2::{Config, ErrorCode, Role};

use crate::kit::{DATA, END_HEADERS, END_STREAM, GET, HEADERS, OK, POST, Side, fields_of, list};

#[test]
fn a_request_is_one_frame() {
    let mut side = Side::client();
    side.connection.open(&list(GET), true, 0).unwrap();
    let sent = side.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].kind, sent[0].flags, sent[0].stream),
        (HEADERS, END_HEADERS | END_STREAM, 1)
    );
    assert_eq!(side.section(&sent), fields_of(&list(GET)));
}

#[test]
fn pseudo_header_fields_must_be_sent_first_wherever_the_caller_put_them() {
    let mut side = Side::client();
    let mixed = [
        ("x", "1"),
        (":method", "GET"),
        ("connection", "close"),
        ("y", "2"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    side.connection.open(&list(&mixed), true, 0).unwrap();
    let sent = side.sent();
    assert_eq!(sent.len(), 1);
    let want = [GET, &[("x", "1"), ("y", "2")]].concat();
    assert_eq!(side.section(&sent), fields_of(&list(&want)));
}

#[test]
fn informational_responses_go_before_the_final_one_and_end_nothing() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    let early = list(&[(":status", "103")]);
    side.connection.send_headers(stream, &early, true);
    // No content yet.
    assert_eq!(side.connection.send_data(stream, b"x", true), 0);
    assert_eq!(side.connection.send_window(stream), 0);
    side.connection.send_headers(stream, &list(OK), false);
    assert_eq!(side.connection.send_data(stream, b"x", false), 1);
    side.connection
        .send_headers(stream, &list(&[("x", "y")]), false);
    let shape: Vec<_> = side.sent().iter().map(|f| (f.kind, f.flags)).collect();
    assert_eq!(
        shape,
        [
            (HEADERS, END_HEADERS),
            (HEADERS, END_HEADERS),
            (DATA, 0),
            // Trailers always end.
            (HEADERS, END_HEADERS | END_STREAM)
        ]
    );
    // Nothing follows them.
    side.connection.send_headers(stream, &list(OK), false);
    assert_eq!(side.connection.send_data(stream, b"x", true), 0);
    assert_eq!(side.sent(), []);
}

#[test]
fn a_client_sends_trailers_after_its_content() {
    let mut side = Side::client();
    let stream = side.open(false);
    side.connection.send_data(stream, b"x", false);
    side.connection
        .send_headers(stream, &list(&[("x", "y")]), true);
    let shape: Vec<_> = side.sent().iter().map(|f| (f.kind, f.flags)).collect();
    assert_eq!(shape, [(DATA, 0), (HEADERS, END_HEADERS | END_STREAM)]);
}

#[test]
fn a_section_without_fields_is_sent_as_one() {
    let mut side = Side::client();
    let stream = side.open(false);
    side.connection.send_headers(stream, &list(&[]), true);
    let sent = side.sent();
    assert_eq!((sent[0].kind, sent[0].payload.len()), (HEADERS, 0));
}

#[test]
fn empty_content_that_does_not_end_is_not_sent() {
    let mut side = Side::client();
    let stream = side.open(false);
    assert_eq!(side.connection.send_data(stream, b"", false), 0);
    assert_eq!(side.sent(), []);
}

#[test]
fn output_is_written_in_pieces_of_any_size() {
    let mut side = Side::client();
    let mut written = Vec::new();
    for _ in 0..50 {
        let stream = side.connection.open(&list(POST), false, 0).unwrap();
        side.connection.send_data(stream, &[7; 1000], true);
        let n = side.connection.output_len().min(700);
        written.extend_from_slice(&side.connection.output()[..n]);
        side.connection.advance(n);
    }
    written.extend_from_slice(side.connection.output());
    side.connection.advance(usize::MAX);
    assert_eq!(side.connection.output(), b"");
    let frames = crate::kit::parse_frames(&written);
    assert_eq!(frames.len(), 100);
    assert!(
        frames
            .iter()
            .filter(|f| f.kind == DATA)
            .all(|f| f.payload == [7; 1000])
    );
}

#[test]
fn values_of_the_configuration_out_of_range_are_brought_into_it() {
    let config = Config {
        initial_window: u32::MAX,
        connection_window: 0,
        max_frame_size: 0,
        ..Config::default()
    };
    let mut side = Side::raw(Role::Server, config);
    let sent = side.sent();
    // No WINDOW_UPDATE, no SETTINGS_MAX_FRAME_SIZE.
    assert_eq!(sent.len(), 1);
    let window = sent[0].payload.chunks(6).find(|s| s[1] == 4).unwrap();
    assert_eq!(window[2..], ((1u32 << 31) - 1).to_be_bytes());
    assert!(sent[0].payload.chunks(6).all(|s| s[1] != 5));
}

#[test]
fn a_broken_connection_sends_no_resets() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    side.connection.go_away(ErrorCode::INTERNAL_ERROR);
    side.drop_output();
    side.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(side.sent(), []);
    assert_eq!(side.connection.active_streams(), 0);
}
