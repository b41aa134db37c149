//! RFC 9113, 5.1.1 and 5.1.2: numbers of streams, and how many.

use http2::{Config, ErrorCode, OpenError, Role};

use crate::kit::{END_STREAM, GET, OK, POST, Seen, Side, headers, list, rst_stream, settings};

#[test]
fn a_clients_streams_must_be_odd_and_rise() {
    let mut side = Side::client();
    assert_eq!(side.open(true).number(), 1);
    assert_eq!(side.open(true).number(), 3);
    assert_eq!(side.open(false).number(), 5);
}

#[test]
fn a_request_on_an_even_stream_must_be_a_protocol_error() {
    Side::server().breaks(&headers(2, END_STREAM, GET), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_request_on_stream_0_must_be_a_protocol_error() {
    Side::server().breaks(&headers(0, END_STREAM, GET), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_request_on_a_lower_stream_than_the_last_must_be_a_protocol_error() {
    let mut side = Side::server();
    side.request(5, END_STREAM, GET);
    side.breaks(&headers(3, END_STREAM, GET), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_response_on_a_stream_that_was_not_opened_must_be_a_protocol_error() {
    for stream in [2, 3] {
        let mut side = Side::client();
        side.open(true);
        side.breaks(&headers(stream, END_STREAM, OK), ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn streams_beyond_our_limit_are_refused_so_that_they_can_be_retried() {
    let config = Config {
        max_concurrent_streams: 2,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    let first = side.request(1, END_STREAM, GET);
    side.request(3, 0, POST);
    let seen = side.resets(&headers(5, END_STREAM, GET), 5, ErrorCode::REFUSED_STREAM);
    assert_eq!(seen, []);
    // Half-closed ones count, closed ones do not.
    side.respond(first, true);
    side.request(7, END_STREAM, GET);
    side.see(&rst_stream(3, ErrorCode::CANCEL));
    side.request(9, END_STREAM, GET);
}

#[test]
fn a_client_must_not_open_more_streams_than_the_peer_takes() {
    let mut side = Side::client();
    side.see(&settings(&[(3, 2)]));
    side.open(true);
    assert!(side.connection.can_open());
    side.open(false);
    assert!(!side.connection.can_open());
    assert_eq!(
        side.connection.open(&list(GET), true, 0),
        Err(OpenError::TooManyStreams)
    );
    assert_eq!(side.connection.active_streams(), 2);
    side.see(&headers(1, END_STREAM, OK));
    assert!(side.connection.can_open());
}

#[test]
fn before_its_settings_the_peer_is_taken_to_allow_100_streams() {
    let mut side = Side::raw(Role::Client, Config::default());
    for _ in 0..100 {
        side.open(true);
    }
    assert_eq!(
        side.connection.open(&list(GET), true, 0),
        Err(OpenError::TooManyStreams)
    );
    assert_eq!(side.see(&settings(&[])), [Seen::Opened]);
    assert!(side.connection.can_open());
}

#[test]
fn new_settings_that_allow_more_streams_are_told() {
    let mut side = Side::client();
    assert_eq!(side.see(&settings(&[(3, 0)])), []);
    assert!(!side.connection.can_open());
    assert_eq!(side.see(&settings(&[(3, 1)])), [Seen::Opened]);
    assert!(side.connection.can_open());
    assert_eq!(side.connection.peer_max_concurrent_streams(), 1);
}

#[test]
fn a_server_opens_no_streams() {
    let mut side = Side::server();
    assert!(!side.connection.can_open());
    assert_eq!(
        side.connection.open(&list(GET), true, 0),
        Err(OpenError::NotAClient)
    );
}
