//! RFC 9113, 8.5: CONNECT; and RFC 8441: extended CONNECT.

use http2::{Config, ErrorCode, Role};

use crate::kit::{END_STREAM, Side, content, data, headers, list};

const CONNECT: (&str, &str) = (":method", "CONNECT");
const A: (&str, &str) = (":authority", "a:80");
const S: (&str, &str) = (":scheme", "https");
const P: (&str, &str) = (":path", "/chat");
const W: (&str, &str) = (":protocol", "websocket");

fn extended() -> Side {
    let config = Config {
        enable_connect_protocol: true,
        ..Config::default()
    };
    Side::with(Role::Server, config)
}

#[test]
fn connect_must_have_an_authority_and_no_scheme_or_path() {
    Side::server().request(1, 0, &[CONNECT, A]);
    for fields in [
        &[CONNECT][..],
        &[CONNECT, A, S],
        &[CONNECT, A, P],
        &[CONNECT, A, S, P],
    ] {
        for mut side in [Side::server(), extended()] {
            side.resets(&headers(1, 0, fields), 1, ErrorCode::PROTOCOL_ERROR);
        }
    }
}

#[test]
fn extended_connect_must_have_scheme_path_and_authority() {
    extended().request(1, 0, &[CONNECT, W, S, P, A]);
    for fields in [[CONNECT, W, S, P], [CONNECT, W, S, A], [CONNECT, W, P, A]] {
        extended().resets(&headers(1, 0, &fields), 1, ErrorCode::PROTOCOL_ERROR);
    }
    extended().resets(
        &headers(1, 0, &[CONNECT, W, A]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn protocol_is_for_connect_only_and_where_it_was_announced() {
    extended().resets(
        &headers(1, 0, &[(":method", "GET"), W, S, P, A]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    Side::server().resets(
        &headers(1, 0, &[CONNECT, W, S, P, A]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_path_of_extended_connect_keeps_to_the_rules_of_paths() {
    extended().resets(
        &headers(1, 0, &[CONNECT, W, S, (":path", "chat"), A]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}

#[test]
fn a_tunnels_content_has_no_length() {
    let mut side = Side::server();
    side.request(1, 0, &[CONNECT, A, ("content-length", "1")]);
    assert_eq!(content(&side.see(&data(1, 0, b"abc"))), b"abc");

    let mut side = Side::client();
    side.connection
        .open(&list(&[CONNECT, A]), false, 0)
        .unwrap();
    side.see(&headers(
        1,
        0,
        &[(":status", "200"), ("content-length", "1")],
    ));
    assert_eq!(content(&side.see(&data(1, END_STREAM, b"abc"))), b"abc");
    // A refusal is an ordinary response.
    side.connection
        .open(&list(&[CONNECT, A]), false, 0)
        .unwrap();
    side.see(&headers(
        3,
        0,
        &[(":status", "403"), ("content-length", "1")],
    ));
    side.resets(&data(3, END_STREAM, b"abc"), 3, ErrorCode::PROTOCOL_ERROR);
}
