//! RFC 9113, 4.1 and 4.2: the frame's header and its size.

use http2::{Config, ErrorCode, Role};

use crate::kit::{
    DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PADDED, PING, POST, PRIORITIZED,
    RST_STREAM, SETTINGS, Seen, Side, WINDOW_UPDATE, block, content, data, frame, headers,
};

#[test]
fn frames_of_unknown_types_must_be_ignored() {
    let mut side = Side::server();
    for stream in [0, 1, 2, 99] {
        assert_eq!(side.see(&frame(0x40, 0xff, stream, b"anything")), []);
    }
    assert_eq!(side.sent(), []);
    side.request(1, END_STREAM, GET);
}

#[test]
fn undefined_flags_must_be_ignored() {
    let mut side = Side::server();
    side.request(1, 0x80 | 0x40 | 0x10 | 0x02, POST);
    let seen = side.see(&data(1, END_STREAM | 0x80 | 0x04, b"x"));
    assert_eq!(content(&seen), b"x");
    side.see(&frame(PING, 0xfe, 0, &[1; 8]));
    assert_eq!(side.sent()[0].flags, 1);
}

#[test]
fn the_reserved_bit_must_be_ignored_and_is_never_set() {
    let mut side = Side::server();
    let seen = side.see(&headers(1 | 1 << 31, END_STREAM, GET));
    let [Seen::Headers { stream, .. }] = seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(stream.number(), 1);
    side.respond(stream, true);
    assert_eq!(side.sent()[0].stream, 1);
}

#[test]
fn a_frame_larger_than_announced_must_be_a_frame_size_error() {
    for kind in [DATA, HEADERS, SETTINGS, PING, 0x40] {
        let mut side = Side::server();
        side.request(1, 0, POST);
        let stream = if kind <= HEADERS { 1 } else { 0 };
        let whole = frame(kind, 0, stream, &vec![0; 16_385]);
        // The header alone says so.
        side.breaks(&whole[..9], ErrorCode::FRAME_SIZE_ERROR);
    }
}

#[test]
fn a_frame_as_large_as_announced_must_be_taken() {
    let config = Config {
        max_frame_size: 20_000,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    side.request(1, 0, POST);
    let seen = side.see(&data(1, END_STREAM, &vec![7; 20_000]));
    assert_eq!(content(&seen), vec![7; 20_000]);
    side.breaks(&data(1, 0, &vec![0; 20_001]), ErrorCode::FRAME_SIZE_ERROR);
}

#[test]
fn a_frame_too_small_for_its_fields_must_be_a_frame_size_error() {
    let frames = [
        frame(PING, 0, 0, &[0; 7]),
        frame(PING, 0, 0, &[0; 9]),
        frame(GOAWAY, 0, 0, &[0; 7]),
        frame(RST_STREAM, 0, 1, &[0; 3]),
        frame(RST_STREAM, 0, 1, &[0; 5]),
        frame(WINDOW_UPDATE, 0, 1, &[0; 3]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 5]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(DATA, PADDED, 1, &[]),
        frame(HEADERS, PADDED | END_HEADERS, 3, &[]),
        frame(HEADERS, PRIORITIZED | END_HEADERS, 3, &[0; 4]),
        frame(HEADERS, PADDED | PRIORITIZED | END_HEADERS, 3, &[0; 5]),
    ];
    for bytes in frames {
        let mut side = Side::server();
        side.request(1, 0, POST);
        side.breaks(&bytes, ErrorCode::FRAME_SIZE_ERROR);
    }
}

#[test]
fn headers_with_padding_and_priority_are_taken_without_them() {
    let mut side = Side::server();
    let mut payload = vec![3, 0, 0, 0, 0, 16];
    payload.extend(block(GET));
    payload.extend([0; 3]);
    let flags = PADDED | PRIORITIZED | END_HEADERS | END_STREAM;
    let seen = side.see(&frame(HEADERS, flags, 1, &payload));
    let [Seen::Headers { ref fields, .. }] = seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(fields.len(), GET.len());
}
