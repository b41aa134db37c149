//! RFC 9113, 6.7: PING.

use http2::ErrorCode;

use crate::kit::{ACK, PING, Seen, Side, frame};

#[test]
fn a_ping_must_be_answered_with_the_same_content() {
    let mut side = Side::server();
    side.see(&frame(PING, 0, 0, b"12345678"));
    let sent = side.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].kind, sent[0].flags), (PING, ACK));
    assert_eq!(sent[0].payload, b"12345678");
}

#[test]
fn an_answer_must_not_be_answered() {
    let mut side = Side::server();
    assert_eq!(side.see(&frame(PING, ACK, 0, b"12345678")), []);
    assert_eq!(side.sent(), []);
}

#[test]
fn a_ping_of_a_stream_must_be_a_protocol_error() {
    Side::server().breaks(&frame(PING, 0, 1, &[0; 8]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_ping_of_another_length_must_be_a_frame_size_error() {
    for len in [0, 7, 9] {
        Side::server().breaks(
            &frame(PING, 0, 0, &vec![0; len]),
            ErrorCode::FRAME_SIZE_ERROR,
        );
    }
}

#[test]
fn our_ping_comes_back_once() {
    let mut side = Side::client();
    side.connection.ping(*b"are you?");
    let sent = side.sent();
    assert_eq!((sent[0].kind, sent[0].flags), (PING, 0));
    let ack = frame(PING, ACK, 0, &sent[0].payload);
    assert_eq!(side.see(&ack), [Seen::PingAck(*b"are you?")]);
    assert_eq!(side.see(&ack), []);
}
