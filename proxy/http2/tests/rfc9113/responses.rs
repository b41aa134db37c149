//! RFC 9113, 8.3.2 and 8.6: pseudo-header fields of responses.

use http2::{Config, ErrorCode, HeadersKind, Role};

use crate::kit::{END_STREAM, OK, Seen, Side, headers};

fn malformed(fields: &[(&str, &str)]) {
    let mut side = Side::client();
    side.open(true);
    let seen = side.resets(
        &headers(1, END_STREAM, fields),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(seen.len(), 1, "{fields:?}");
}

#[test]
fn status_must_be_there_once() {
    malformed(&[]);
    malformed(&[("x", "y")]);
    malformed(&[(":status", "200"), (":status", "200")]);
    malformed(&[("x", "y"), (":status", "200")]);
}

#[test]
fn status_must_be_three_digits() {
    for status in ["", "20", "2000", "abc", "+20", "099", "2 0", "000"] {
        malformed(&[(":status", status)]);
    }
    for status in ["200", "404", "599", "999"] {
        let mut side = Side::client();
        side.open(true);
        let seen = side.see(&headers(1, END_STREAM, &[(":status", status)]));
        assert_eq!(seen.len(), 1);
    }
}

#[test]
fn pseudo_header_fields_of_requests_must_be_malformed() {
    for field in [
        (":method", "GET"),
        (":path", "/"),
        (":scheme", "http"),
        (":authority", "a"),
        (":protocol", "x"),
        (":unknown", "x"),
    ] {
        malformed(&[(":status", "200"), field]);
    }
}

#[test]
fn status_101_must_be_malformed() {
    malformed(&[(":status", "101")]);
    let mut side = Side::client();
    side.open(true);
    side.resets(
        &headers(1, 0, &[(":status", "101")]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_response_that_is_too_large_is_told_so() {
    let config = Config {
        max_header_list_size: 100,
        ..Config::default()
    };
    let mut side = Side::with(Role::Client, config);
    side.open(true);
    let value = "v".repeat(100);
    let large = [OK, &[("content-length", "5"), ("x", &value)]].concat();
    let seen = side.see(&headers(1, END_STREAM, &large));
    assert!(
        matches!(
            seen[..],
            [Seen::Headers {
                kind: HeadersKind::Response,
                too_large: true,
                end_stream: true,
                ..
            }]
        ),
        "{seen:?}"
    );
    // So are one without a status and trailers.
    side.open(true);
    let seen = side.see(&headers(3, 0, &[("x", &"v".repeat(100))]));
    assert!(matches!(
        seen[..],
        [Seen::Headers {
            too_large: true,
            ..
        }]
    ));
    let seen = side.see(&headers(3, END_STREAM, &[("x", &"v".repeat(100))]));
    assert!(
        matches!(
            seen[..],
            [Seen::Headers {
                kind: HeadersKind::Trailers,
                too_large: true,
                ..
            }]
        ),
        "{seen:?}"
    );
}
