//! RFC 9113, 5.5: extensions.

use http2::ErrorCode;

use crate::kit::{END_STREAM, GET, HEADERS, Side, frame};

#[test]
fn frames_of_extensions_are_skipped_whole_and_not_kept() {
    let mut side = Side::server();
    let bytes = frame(0x10, 0, 0, &vec![0xff; 16_384]);
    let before = side.connection.memory();
    side.see(&bytes[..9000]);
    assert_eq!(side.connection.memory(), before);
    side.see(&bytes[9000..]);
    side.request(1, END_STREAM, GET);
}

#[test]
fn frames_of_extensions_inside_a_block_must_be_a_protocol_error() {
    let mut side = Side::server();
    side.see(&frame(HEADERS, END_STREAM, 1, &[0x82]));
    side.breaks(&frame(0x10, 0, 1, b"x"), ErrorCode::PROTOCOL_ERROR);
}
