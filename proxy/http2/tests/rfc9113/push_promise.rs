//! RFC 9113, 6.6 and 8.4: PUSH_PROMISE, which a client of ours disables.

use http2::ErrorCode;

use crate::kit::{END_HEADERS, POST, PUSH_PROMISE, Side, block, frame};

#[test]
fn a_promise_must_be_a_protocol_error_to_a_client_that_disabled_push() {
    let mut side = Side::client();
    side.open(true);
    let payload = [&[0, 0, 0, 2][..], &block(POST)].concat();
    side.breaks(
        &frame(PUSH_PROMISE, END_HEADERS, 1, &payload),
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_promise_must_be_a_protocol_error_to_a_server() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    let payload = [&[0, 0, 0, 2][..], &block(POST)].concat();
    side.breaks(
        &frame(PUSH_PROMISE, END_HEADERS, 1, &payload),
        ErrorCode::PROTOCOL_ERROR,
    );
}
