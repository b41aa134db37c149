//! RFC 9113, 8.1: how a message is made of frames, and content-length.

use http2::{ErrorCode, HeadersKind};

use crate::kit::{END_STREAM, GET, OK, POST, Seen, Side, data, headers};

fn kinds(seen: &[Seen]) -> Vec<(HeadersKind, bool)> {
    seen.iter()
        .filter_map(|event| match event {
            Seen::Headers {
                kind, end_stream, ..
            } => Some((*kind, *end_stream)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_request_may_have_content_and_trailers() {
    let mut side = Side::server();
    let seen = side.see(
        &[
            headers(1, 0, POST),
            data(1, 0, b"x"),
            headers(1, END_STREAM, &[("grpc-status", "0")]),
        ]
        .concat(),
    );
    assert_eq!(
        kinds(&seen),
        [(HeadersKind::Request, false), (HeadersKind::Trailers, true)]
    );
}

#[test]
fn a_response_may_have_informational_ones_before_it() {
    let mut side = Side::client();
    side.open(true);
    let seen = side.see(
        &[
            headers(1, 0, &[(":status", "100")]),
            headers(1, 0, &[(":status", "103"), ("link", "</a>")]),
            headers(1, 0, OK),
            data(1, 0, b"x"),
            headers(1, END_STREAM, &[("x", "y")]),
        ]
        .concat(),
    );
    assert_eq!(
        kinds(&seen),
        [
            (HeadersKind::Informational, false),
            (HeadersKind::Informational, false),
            (HeadersKind::Response, false),
            (HeadersKind::Trailers, true)
        ]
    );
    assert_eq!(side.connection.active_streams(), 0);
}

#[test]
fn trailers_without_end_stream_must_be_a_stream_error() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    side.resets(&headers(1, 0, &[("x", "y")]), 1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn trailers_with_pseudo_header_fields_must_be_a_stream_error() {
    for fields in [GET, OK] {
        let mut side = Side::server();
        side.request(1, 0, POST);
        side.resets(
            &headers(1, END_STREAM, fields),
            1,
            ErrorCode::PROTOCOL_ERROR,
        );
    }
    let mut side = Side::client();
    side.open(true);
    side.see(&headers(1, 0, OK));
    side.resets(&headers(1, END_STREAM, OK), 1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn an_informational_response_that_ends_must_be_a_stream_error() {
    let mut side = Side::client();
    side.open(true);
    side.resets(
        &headers(1, END_STREAM, &[(":status", "100")]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_request_that_ends_short_of_its_content_length_must_be_a_stream_error() {
    let with_length = [POST, &[("content-length", "5")]].concat();
    // At once, after some, by trailers, and one too many.
    let mut side = Side::server();
    let seen = side.resets(
        &headers(1, END_STREAM, &with_length),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(seen, []);
    for bytes in [
        data(1, END_STREAM, b"abcd"),
        data(1, 0, b"abcdef"),
        [data(1, 0, b"abcd"), data(1, 0, b"ef")].concat(),
        [data(1, 0, b"abcd"), headers(1, END_STREAM, &[])].concat(),
        [data(1, 0, b"abcd"), data(1, END_STREAM, b"")].concat(),
    ] {
        let mut side = Side::server();
        side.request(1, 0, &with_length);
        let seen = side.resets(&bytes, 1, ErrorCode::PROTOCOL_ERROR);
        assert!(matches!(seen.last(), Some(Seen::Reset { by_us: true, .. })));
    }
    for bytes in [
        data(1, END_STREAM, b"abcde"),
        [data(1, 0, b"abcde"), headers(1, END_STREAM, &[])].concat(),
        [data(1, 0, b"abc"), data(1, END_STREAM, b"de")].concat(),
    ] {
        let mut side = Side::server();
        side.request(1, 0, &with_length);
        side.see(&bytes);
        assert_eq!(side.sent(), []);
    }
}

#[test]
fn padding_is_no_content() {
    let mut side = Side::server();
    side.request(1, 0, &[POST, &[("content-length", "1")]].concat());
    side.see(&crate::kit::frame(0, 8 | END_STREAM, 1, &[2, b'a', 0, 0]));
    assert_eq!(side.sent(), []);
}

#[test]
fn a_request_that_ends_at_once_may_say_that_it_has_no_content() {
    let mut side = Side::server();
    side.request(1, END_STREAM, &[GET, &[("content-length", "0")]].concat());
}

#[test]
fn a_response_must_keep_to_its_content_length() {
    let with_length = [OK, &[("content-length", "5")]].concat();
    for bytes in [
        headers(1, END_STREAM, &with_length),
        [headers(1, 0, &with_length), data(1, END_STREAM, b"abc")].concat(),
        [headers(1, 0, &with_length), data(1, 0, b"abcdef")].concat(),
    ] {
        let mut side = Side::client();
        side.open(true);
        side.resets(&bytes, 1, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_response_that_has_no_content_may_say_how_much_it_would_have() {
    for status in ["204", "304"] {
        let fields = [(":status", status), ("content-length", "5")];
        let mut side = Side::client();
        side.open(true);
        side.see(&headers(1, END_STREAM, &fields));
        assert_eq!(side.sent(), []);
        // And must have none.
        side.open(true);
        side.see(&headers(3, 0, &fields));
        side.resets(&data(3, 0, b"abcde"), 3, ErrorCode::PROTOCOL_ERROR);
    }
    let head = crate::kit::list(&[
        (":method", "HEAD"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ]);
    let fields = [(":status", "200"), ("content-length", "5")];
    let mut side = Side::client();
    for _ in 0..3 {
        side.connection.open(&head, true, 0).unwrap();
    }
    side.drop_output();
    side.see(&headers(1, END_STREAM, &fields));
    side.see(&[headers(3, 0, &fields), data(3, END_STREAM, b"")].concat());
    assert_eq!(side.sent(), []);
    side.resets(
        &[headers(5, 0, &fields), data(5, END_STREAM, b"abcde")].concat(),
        5,
        ErrorCode::PROTOCOL_ERROR,
    );
}
