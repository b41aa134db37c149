//! RFC 9113, 6.9: WINDOW_UPDATE.

use http2::ErrorCode;

use crate::kit::{POST, Seen, Side, WINDOW_UPDATE, frame, window_update};

const MAX: u32 = (1 << 31) - 1;

#[test]
fn an_increment_of_0_must_be_an_error_of_its_stream_or_the_connection() {
    Side::server().breaks(&window_update(0, 0), ErrorCode::PROTOCOL_ERROR);
    // The reserved bit is no increment.
    Side::server().breaks(&window_update(0, 1 << 31), ErrorCode::PROTOCOL_ERROR);
    let mut side = Side::server();
    side.request(1, 0, POST);
    let seen = side.resets(&window_update(1, 0), 1, ErrorCode::PROTOCOL_ERROR);
    assert!(matches!(seen[..], [Seen::Reset { by_us: true, .. }]));
}

#[test]
fn another_length_must_be_a_frame_size_error() {
    for len in [0, 3, 5] {
        Side::server().breaks(
            &frame(WINDOW_UPDATE, 0, 0, &vec![0; len]),
            ErrorCode::FRAME_SIZE_ERROR,
        );
    }
}

#[test]
fn a_connections_window_beyond_31_bits_must_be_a_connection_error() {
    let mut side = Side::server();
    side.see(&window_update(0, MAX - 65_535));
    side.breaks(&window_update(0, 1), ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn a_streams_window_beyond_31_bits_must_be_a_stream_error() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    side.see(&window_update(1, MAX - 65_535));
    let seen = side.resets(&window_update(1, 1), 1, ErrorCode::FLOW_CONTROL_ERROR);
    assert_eq!(seen.len(), 1);
}
