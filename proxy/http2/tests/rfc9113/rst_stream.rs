//! RFC 9113, 6.4: RST_STREAM.

use http2::ErrorCode;

use crate::kit::{POST, RST_STREAM, Seen, Side, frame, rst_stream};

#[test]
fn a_reset_ends_the_stream_and_carries_its_code() {
    // Codes that are not known too (RFC 9113, 7).
    for code in [ErrorCode::CANCEL, ErrorCode(0xdead_beef)] {
        let mut side = Side::server();
        let stream = side.request(1, 0, POST);
        side.connection.set_token(stream, 3);
        assert_eq!(
            side.see(&rst_stream(1, code)),
            [Seen::Reset {
                stream,
                token: 3,
                code,
                by_us: false
            }]
        );
        assert_eq!(side.connection.active_streams(), 0);
    }
}

#[test]
fn a_reset_of_stream_0_must_be_a_protocol_error() {
    Side::server().breaks(&rst_stream(0, ErrorCode::CANCEL), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_reset_of_an_idle_stream_must_be_a_protocol_error() {
    Side::server().breaks(&rst_stream(1, ErrorCode::CANCEL), ErrorCode::PROTOCOL_ERROR);
    Side::client().breaks(&rst_stream(1, ErrorCode::CANCEL), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_reset_of_another_length_must_be_a_frame_size_error() {
    for len in [0, 3, 5] {
        let mut side = Side::server();
        side.request(1, 0, POST);
        side.breaks(
            &frame(RST_STREAM, 0, 1, &vec![0; len]),
            ErrorCode::FRAME_SIZE_ERROR,
        );
    }
}

#[test]
fn our_own_reset_is_sent_and_no_event_follows() {
    let mut side = Side::client();
    let stream = side.open(false);
    side.connection.reset(stream, ErrorCode::CANCEL);
    side.connection.reset(stream, ErrorCode::CANCEL);
    let sent = side.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].kind, sent[0].stream), (RST_STREAM, 1));
    assert_eq!(sent[0].word(), ErrorCode::CANCEL.0);
    assert_eq!(side.see(&[]), []);
}
