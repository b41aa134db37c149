//! RFC 9113, 6.2: HEADERS.

use http2::ErrorCode;

use crate::kit::{
    END_HEADERS, END_STREAM, GET, HEADERS, OK, PADDED, PRIORITIZED, Side, block, frame, headers,
};

#[test]
fn headers_on_stream_0_must_be_a_protocol_error() {
    Side::server().breaks(&headers(0, 0, GET), ErrorCode::PROTOCOL_ERROR);
    Side::client().breaks(&headers(0, 0, OK), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn padding_longer_than_the_rest_must_be_a_protocol_error() {
    for payload in [&[1][..], &[3, 0x82, 0x86], &[255]] {
        Side::server().breaks(
            &frame(HEADERS, PADDED | END_HEADERS, 1, payload),
            ErrorCode::PROTOCOL_ERROR,
        );
    }
    // Priority fields are no padding.
    Side::server().breaks(
        &frame(
            HEADERS,
            PADDED | PRIORITIZED | END_HEADERS,
            1,
            &[2, 0, 0, 0, 0, 0, 1],
        ),
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_request_that_depends_on_itself_must_be_a_stream_error() {
    let payload = [&[0, 0, 0, 1, 0][..], &block(GET)].concat();
    let mut side = Side::server();
    let flags = PRIORITIZED | END_HEADERS | END_STREAM;
    let seen = side.resets(
        &frame(HEADERS, flags, 1, &payload),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(seen, []);
}

#[test]
fn trailers_that_depend_on_themselves_must_be_a_stream_error() {
    let mut side = Side::server();
    side.request(1, 0, GET);
    let flags = PRIORITIZED | END_HEADERS | END_STREAM;
    let seen = side.resets(
        &frame(HEADERS, flags, 1, &[0x80, 0, 0, 1, 0]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(seen.len(), 1);
}
