//! RFC 9113, 6.1: DATA.

use http2::ErrorCode;

use crate::kit::{DATA, END_STREAM, GET, PADDED, POST, Seen, Side, content, data, frame, headers};

#[test]
fn data_on_stream_0_must_be_a_protocol_error() {
    Side::server().breaks(&data(0, 0, b"x"), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn padding_as_long_as_the_payload_must_be_a_protocol_error() {
    for payload in [&[1][..], &[5, 0, 0, 0, 0], &[255]] {
        let mut side = Side::server();
        side.request(1, 0, POST);
        side.breaks(&frame(DATA, PADDED, 1, payload), ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn padding_is_dropped() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    let seen = side.see(&frame(DATA, PADDED, 1, &[3, b'a', b'b', 0, 0, 0]));
    assert_eq!(content(&seen), b"ab");
    // All of it padding.
    assert_eq!(side.see(&frame(DATA, PADDED, 1, &[3, 0, 0, 0])), []);
    let seen = side.see(&frame(DATA, PADDED | END_STREAM, 1, &[0]));
    assert!(
        matches!(&seen[..], [Seen::Data { bytes, end_stream: true, .. }] if bytes.is_empty()),
        "{seen:?}"
    );
}

#[test]
fn data_comes_as_it_arrives() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    let bytes = data(1, END_STREAM, b"abcdef");
    assert_eq!(side.see(&bytes[..9]), []);
    let seen = side.see(&bytes[9..11]);
    assert!(
        matches!(&seen[..], [Seen::Data { bytes, end_stream: false, .. }] if bytes == b"ab"),
        "{seen:?}"
    );
    let seen = side.see(&bytes[11..]);
    assert!(
        matches!(&seen[..], [Seen::Data { bytes, end_stream: true, .. }] if bytes == b"cdef"),
        "{seen:?}"
    );
}

#[test]
fn empty_data_says_nothing_unless_it_ends() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    assert_eq!(side.see(&data(1, 0, b"")), []);
    assert_eq!(side.see(&data(1, END_STREAM, b"")).len(), 1);
}

#[test]
fn data_before_a_response_must_be_a_stream_error() {
    let mut side = Side::client();
    side.open(true);
    side.resets(&data(1, 0, b"x"), 1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_stream_that_is_reset_inside_a_data_frame_drops_the_rest_of_it() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    let bytes = [data(1, 0, b"abcdef"), headers(3, END_STREAM, GET)].concat();
    assert_eq!(content(&side.see(&bytes[..11])), b"ab");
    side.connection.reset(stream, ErrorCode::CANCEL);
    let seen = side.see(&bytes[11..]);
    assert!(matches!(seen[..], [Seen::Headers { .. }]), "{seen:?}");
}

#[test]
fn a_stream_that_is_reset_before_the_pad_length_drops_the_frame() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    let bytes = [
        frame(DATA, PADDED, 1, &[2, b'a', 0, 0]),
        headers(3, END_STREAM, GET),
    ]
    .concat();
    side.see(&bytes[..9]);
    side.connection.reset(stream, ErrorCode::CANCEL);
    let seen = side.see(&bytes[9..]);
    assert!(matches!(seen[..], [Seen::Headers { .. }]), "{seen:?}");
}
