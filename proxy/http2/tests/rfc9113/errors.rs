//! RFC 9113, 5.4 and 7: errors and their codes.

use http2::{ConnectionError, ErrorCode, OpenError};

use crate::kit::{END_STREAM, GET, PING, POST, Seen, Side, data, frame, headers};

#[test]
fn a_stream_error_leaves_the_others_alone() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    side.request(3, 0, POST);
    side.resets(&headers(1, 0, &[("x", "y")]), 1, ErrorCode::PROTOCOL_ERROR);
    let seen = side.see(&data(3, END_STREAM, b"x"));
    assert!(matches!(
        seen[..],
        [Seen::Data {
            end_stream: true,
            ..
        }]
    ));
    side.request(5, END_STREAM, GET);
}

#[test]
fn a_connection_error_is_told_with_its_reason_and_then_stays() {
    let mut side = Side::server();
    let (_, error) = side.feed(&frame(PING, 0, 0, &[0; 3]));
    let error = error.unwrap();
    assert_eq!(error.code, ErrorCode::FRAME_SIZE_ERROR);
    let sent = side.sent();
    let reason = &sent.last().unwrap().payload[8..];
    assert_eq!(reason, error.reason.as_bytes());
    assert_eq!(side.feed(&headers(1, END_STREAM, GET)).1, Some(error));
}

#[test]
fn what_came_before_an_error_is_told_first() {
    let mut side = Side::server();
    let (seen, error) = side.feed(&[headers(1, END_STREAM, GET), data(0, 0, b"x")].concat());
    assert_eq!(seen.len(), 1);
    assert!(error.is_some());
}

#[test]
fn codes_have_the_names_of_the_rfc() {
    assert_eq!(
        ErrorCode::HTTP_1_1_REQUIRED.to_string(),
        "HTTP_1_1_REQUIRED"
    );
    assert_eq!(ErrorCode(0x0).name(), Some("NO_ERROR"));
    assert_eq!(ErrorCode(0xb), ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(ErrorCode(0x1234).to_string(), "0x1234");
    let error = ConnectionError {
        code: ErrorCode::CANCEL,
        reason: "why",
    };
    assert_eq!(error.to_string(), "CANCEL: why");
    assert_eq!(OpenError::GoingAway.to_string(), "the connection goes away");
}
