//! RFC 9113, 5.1: the states of a stream.

use http2::{Config, ErrorCode, Role};

use crate::kit::{
    END_STREAM, GET, OK, POST, RST_STREAM, Seen, Side, content, data, headers, list, rst_stream,
    window_update,
};

#[test]
fn an_idle_stream_takes_only_headers_and_priority() {
    for bytes in [
        data(1, 0, b"x"),
        rst_stream(1, ErrorCode::CANCEL),
        window_update(1, 1),
        data(2, 0, b"x"),
        rst_stream(2, ErrorCode::CANCEL),
        window_update(2, 1),
    ] {
        Side::server().breaks(&bytes, ErrorCode::PROTOCOL_ERROR);
        Side::client().breaks(&bytes, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_half_closed_stream_must_get_no_more_data_or_headers() {
    for bytes in [data(1, 0, b"x"), headers(1, END_STREAM, &[("x", "y")])] {
        let mut side = Side::server();
        let stream = side.request(1, END_STREAM, GET);
        side.connection.set_token(stream, 9);
        let seen = side.resets(&bytes, 1, ErrorCode::STREAM_CLOSED);
        assert_eq!(
            seen,
            [Seen::Reset {
                stream,
                token: 9,
                code: ErrorCode::STREAM_CLOSED,
                by_us: true
            }]
        );
        assert_eq!(side.connection.active_streams(), 0);
    }
}

#[test]
fn a_half_closed_stream_takes_window_updates_and_resets() {
    let mut side = Side::server();
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, false);
    assert_eq!(side.see(&window_update(1, 10)), []);
    assert_eq!(side.connection.send_window(stream), 65_535);
    let seen = side.see(&rst_stream(1, ErrorCode::CANCEL));
    assert!(matches!(seen[..], [Seen::Reset { by_us: false, .. }]));
}

#[test]
fn a_stream_whose_sending_half_is_closed_still_receives() {
    let mut side = Side::client();
    let stream = side.open(true);
    side.see(&headers(1, 0, OK));
    let seen = side.see(&data(1, END_STREAM, b"body"));
    assert_eq!(content(&seen), b"body");
    assert_eq!(side.connection.active_streams(), 0);
    // Nothing is sent on it any more.
    assert_eq!(side.connection.send_data(stream, b"x", false), 0);
    side.connection
        .send_headers(stream, &list(&[("x", "y")]), true);
    side.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(side.sent(), []);
}

#[test]
fn a_closed_stream_must_ignore_window_updates_and_resets() {
    let mut side = Side::server();
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, true);
    side.drop_output();
    assert_eq!(side.see(&window_update(1, 1)), []);
    assert_eq!(side.see(&window_update(1, 0)), []);
    assert_eq!(side.see(&rst_stream(1, ErrorCode::CANCEL)), []);
    assert_eq!(side.sent(), []);
}

#[test]
fn data_on_a_closed_stream_must_be_a_stream_error() {
    let mut side = Side::server();
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, true);
    side.resets(&data(1, 0, b"x"), 1, ErrorCode::STREAM_CLOSED);
    // Said once: the reset is remembered.
    side.see(&data(1, 0, b"x"));
    assert_eq!(side.sent(), []);
}

#[test]
fn data_on_a_stream_that_the_peer_reset_must_be_a_stream_error() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    side.see(&rst_stream(1, ErrorCode::CANCEL));
    side.resets(&data(1, 0, b"x"), 1, ErrorCode::STREAM_CLOSED);
}

#[test]
fn headers_on_a_closed_stream_must_be_a_connection_error() {
    let mut side = Side::server();
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, true);
    side.breaks(&headers(1, END_STREAM, GET), ErrorCode::STREAM_CLOSED);
}

#[test]
fn frames_of_a_stream_that_we_reset_must_be_dropped_without_a_word() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    side.connection.reset(stream, ErrorCode::NO_ERROR);
    assert_eq!(side.sent()[0].kind, RST_STREAM);
    for bytes in [
        data(1, 0, b"x"),
        window_update(1, 1),
        headers(1, END_STREAM, &[("x", "y")]),
        rst_stream(1, ErrorCode::CANCEL),
    ] {
        assert_eq!(side.see(&bytes), []);
    }
    assert_eq!(side.sent(), []);
}

#[test]
fn resets_too_old_to_be_remembered_are_not_held_against_the_peer() {
    let config = Config {
        remembered_resets: 2,
        ..Config::default()
    };
    let mut side = Side::with(Role::Client, config);
    let streams: Vec<_> = (0..5).map(|_| side.open(true)).collect();
    for stream in &streams {
        side.connection.reset(*stream, ErrorCode::CANCEL);
    }
    side.drop_output();
    // All answers were on their way.
    for stream in &streams {
        assert_eq!(side.see(&headers(stream.number(), 0, OK)), []);
        assert_eq!(side.see(&data(stream.number(), END_STREAM, b"x")), []);
    }
    assert_eq!(side.sent(), []);
}

#[test]
fn a_stream_is_over_when_both_ends_have_ended_in_either_order() {
    let mut side = Side::server();
    let first = side.request(1, 0, POST);
    side.respond(first, true);
    assert_eq!(side.connection.active_streams(), 1);
    side.see(&data(1, END_STREAM, b""));
    assert_eq!(side.connection.active_streams(), 0);
    let second = side.request(3, 0, POST);
    side.see(&data(3, END_STREAM, b""));
    assert_eq!(side.connection.active_streams(), 1);
    side.respond(second, false);
    assert_eq!(side.connection.send_data(second, b"x", true), 1);
    assert_eq!(side.connection.active_streams(), 0);
}

#[test]
fn a_response_may_end_before_its_request() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    side.respond(stream, true);
    // The rest of the request still comes, until the caller has enough.
    assert_eq!(content(&side.see(&data(1, 0, b"more"))), b"more");
    side.drop_output();
    side.connection.reset(stream, ErrorCode::NO_ERROR);
    let sent = side.sent();
    assert_eq!((sent[0].kind, sent[0].word()), (RST_STREAM, 0));
    assert_eq!(side.see(&data(1, 0, b"more")), []);
}

#[test]
fn a_client_hears_of_a_reset_after_an_early_response() {
    let mut side = Side::client();
    let stream = side.open(false);
    let seen = side.see(
        &[
            headers(1, END_STREAM, OK),
            rst_stream(1, ErrorCode::NO_ERROR),
        ]
        .concat(),
    );
    assert_eq!(
        seen[1],
        Seen::Reset {
            stream,
            token: 7,
            code: ErrorCode::NO_ERROR,
            by_us: false
        }
    );
}

#[test]
fn nothing_is_sent_in_answer_to_a_reset() {
    let mut side = Side::server();
    side.request(1, 0, POST);
    side.see(&rst_stream(1, ErrorCode::CANCEL));
    assert_eq!(side.sent(), []);
}
