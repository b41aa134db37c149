//! RFC 9113, 4.3: field blocks and the state of their compression.

use http2::{Config, ErrorCode, HeadersKind, Role};

use crate::kit::{
    ACK, END_HEADERS, END_STREAM, GET, HEADERS, OK, PING, POST, SETTINGS, Seen, Side, frame,
    headers, list, settings,
};

/// `x-a: 1` as a literal that enters the dynamic table, after a whole GET.
fn indexing() -> Vec<u8> {
    [&[0x82, 0x86, 0x84, 0x41, 1, b'a', 0x40, 3][..], b"x-a\x011"].concat()
}

/// A whole GET and then `x-a: 1` from the table, above `:authority: a` in it.
const INDEXED: &[u8] = &[0x82, 0x86, 0x84, 0xbf, 0xbe];

#[test]
fn a_broken_block_must_be_a_compression_error() {
    for block in [&[0x80][..], &[0xff, 0xff], &[0x40], &[0xbe]] {
        let mut side = Side::server();
        side.breaks(
            &frame(HEADERS, END_HEADERS | END_STREAM, 1, block),
            ErrorCode::COMPRESSION_ERROR,
        );
    }
}

#[test]
fn a_block_of_a_refused_stream_must_be_decoded_too() {
    let config = Config {
        max_concurrent_streams: 1,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    let stream = side.request(1, 0, POST);
    side.resets(
        &frame(HEADERS, END_HEADERS | END_STREAM, 3, &indexing()),
        3,
        ErrorCode::REFUSED_STREAM,
    );
    side.connection.reset(stream, ErrorCode::CANCEL);
    let seen = side.see(&frame(HEADERS, END_HEADERS | END_STREAM, 5, INDEXED));
    assert_eq!(last_field(&seen), ("x-a".into(), "1".into()));
}

#[test]
fn a_block_of_a_stream_that_was_reset_must_be_decoded_too() {
    let mut side = Side::client();
    let stream = side.open(true);
    side.connection.reset(stream, ErrorCode::CANCEL);
    let response = [&[0x88, 0x40, 3][..], b"x-a\x011"].concat();
    assert_eq!(side.see(&frame(HEADERS, END_HEADERS, 1, &response)), []);
    side.open(true);
    let seen = side.see(&frame(HEADERS, END_HEADERS, 3, &[0x88, 0xbe]));
    assert_eq!(last_field(&seen), ("x-a".into(), "1".into()));
}

#[test]
fn a_block_of_a_malformed_request_must_be_decoded_too() {
    let mut side = Side::server();
    let mut block = indexing();
    // A second method.
    block.push(0x82);
    side.resets(
        &frame(HEADERS, END_HEADERS | END_STREAM, 1, &block),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    let seen = side.see(&frame(HEADERS, END_HEADERS | END_STREAM, 3, INDEXED));
    assert_eq!(last_field(&seen), ("x-a".into(), "1".into()));
}

#[test]
fn a_block_that_is_too_large_must_be_decoded_too() {
    let config = Config {
        max_header_fields: 4,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    let seen = side.see(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &indexing()));
    let [
        Seen::Headers {
            too_large: true,
            kind: HeadersKind::Request,
            ref fields,
            ..
        },
    ] = seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!(fields.len(), 4);
    let seen = side.see(&frame(HEADERS, END_HEADERS | END_STREAM, 3, INDEXED));
    let [
        Seen::Headers {
            too_large: true, ..
        },
    ] = seen[..]
    else {
        panic!("{seen:?}")
    };
}

fn last_field(seen: &[Seen]) -> (String, String) {
    let [Seen::Headers { fields, .. }] = seen else {
        panic!("{seen:?}")
    };
    fields.last().unwrap().clone()
}

#[test]
fn frames_of_a_block_must_follow_each_other() {
    for between in [
        headers(3, 0, GET),
        frame(PING, 0, 0, &[0; 8]),
        frame(0x40, 0, 0, &[]),
        frame(9, END_HEADERS, 3, &[]),
    ] {
        let mut side = Side::server();
        side.see(&frame(HEADERS, END_STREAM, 1, &[0x82]));
        side.breaks(&between, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_reduced_table_must_be_taken_up_by_the_peer() {
    let config = Config {
        header_table_size: 0,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    side.breaks(&headers(1, END_STREAM, GET), ErrorCode::COMPRESSION_ERROR);
    let mut side = Side::with(Role::Server, config);
    let seen = side.see(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &[0x20, 0x82, 0x86, 0x84],
    ));
    assert!(matches!(seen[..], [Seen::Headers { .. }]), "{seen:?}");
}

#[test]
fn a_reduced_table_binds_the_peer_only_once_it_acknowledged() {
    let config = Config {
        header_table_size: 0,
        ..Config::default()
    };
    let mut side = Side::raw(Role::Client, config);
    side.see(&settings(&[]));
    side.open(true);
    side.see(&headers(1, END_STREAM, OK));
    side.see(&frame(SETTINGS, ACK, 0, &[]));
    side.open(true);
    side.breaks(&headers(3, END_STREAM, OK), ErrorCode::COMPRESSION_ERROR);
}

#[test]
fn a_table_that_the_peer_reduces_must_be_taken_up_by_us() {
    let mut side = Side::client();
    side.see(&settings(&[(1, 100)]));
    side.drop_output();
    side.connection.open(&list(GET), true, 0).unwrap();
    assert_eq!(side.sent()[0].payload[0], 0x20);
    side.connection.open(&list(GET), true, 0).unwrap();
    assert_eq!(side.sent()[0].payload[0], 0x82);
}
