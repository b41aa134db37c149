//! RFC 9113, 5.3 and 6.3: PRIORITY, which is ignored.

use http2::ErrorCode;

use crate::kit::{END_STREAM, GET, POST, PRIORITY, Side, frame};

#[test]
fn priority_must_be_taken_on_streams_of_any_state() {
    let mut side = Side::server();
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, true);
    side.request(3, 0, POST);
    side.drop_output();
    for stream in [1, 3, 5, 99, 2] {
        assert_eq!(side.see(&frame(PRIORITY, 0, stream, &[0, 0, 0, 7, 9])), []);
    }
    assert_eq!(side.sent(), []);
    // It opens nothing.
    side.request(5, END_STREAM, GET);
}

#[test]
fn priority_on_stream_0_must_be_a_protocol_error() {
    Side::server().breaks(&frame(PRIORITY, 0, 0, &[0; 5]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn priority_of_another_length_must_be_a_stream_error() {
    for len in [4, 6, 0, 100] {
        let mut side = Side::server();
        side.request(1, 0, POST);
        let seen = side.resets(
            &frame(PRIORITY, 0, 1, &vec![0; len]),
            1,
            ErrorCode::FRAME_SIZE_ERROR,
        );
        assert_eq!(seen.len(), 1);
        side.request(3, END_STREAM, GET);
    }
}

#[test]
fn an_idle_stream_cannot_be_reset_so_the_connection_is() {
    Side::server().breaks(&frame(PRIORITY, 0, 1, &[0; 4]), ErrorCode::FRAME_SIZE_ERROR);
    Side::server().breaks(
        &frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_stream_must_not_depend_on_itself() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    side.resets(
        &frame(PRIORITY, 0, 1, &[0x80, 0, 0, 1, 0]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}
