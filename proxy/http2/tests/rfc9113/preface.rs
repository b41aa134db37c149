//! RFC 9113, 3.4: how a connection starts.

use http2::{Config, ErrorCode, Role};

use crate::kit::{
    ACK, END_STREAM, GET, HEADERS, PING, PREFACE, SETTINGS, Seen, Side, WINDOW_UPDATE, frame,
    headers, list, settings,
};

#[test]
fn a_client_must_start_with_the_24_octets_and_settings() {
    let side = Side::raw(Role::Client, Config::default());
    let rest = side.connection.output().strip_prefix(PREFACE).unwrap();
    assert_eq!(rest[3..9], [SETTINGS, 0, 0, 0, 0, 0]);
}

#[test]
fn a_server_must_send_settings_first() {
    let mut side = Side::raw(Role::Server, Config::default());
    let sent = side.sent();
    assert_eq!((sent[0].kind, sent[0].flags), (SETTINGS, 0));
    // And the connection's window beyond what it starts with.
    assert_eq!((sent[1].kind, sent[1].stream), (WINDOW_UPDATE, 0));
    assert_eq!(sent[1].word(), Config::default().connection_window - 65_535);
}

#[test]
fn our_settings_say_what_differs_from_the_defaults() {
    let config = Config {
        header_table_size: 0,
        enable_connect_protocol: true,
        initial_window: 1000,
        max_frame_size: 20_000,
        max_header_list_size: 3000,
        max_concurrent_streams: 5,
        ..Config::default()
    };
    let pairs = |role| {
        let payload = Side::raw(role, config).sent()[0].payload.clone();
        let pairs: Vec<(u8, u32)> = payload
            .chunks(6)
            .map(|s| (s[1], u32::from_be_bytes(s[2..].try_into().unwrap())))
            .collect();
        pairs
    };
    let common = [(4, 1000), (5, 20_000), (6, 3000)];
    assert_eq!(
        pairs(Role::Server),
        [&[(1, 0), (3, 5)], &common[..], &[(8, 1)]].concat()
    );
    // A client disables push, and takes no requests.
    assert_eq!(
        pairs(Role::Client),
        [&[(1, 0), (2, 0)], &common[..]].concat()
    );
}

#[test]
fn a_wrong_preface_must_be_a_connection_error() {
    for wrong in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        b"\0",
    ] {
        Side::raw(Role::Server, Config::default()).breaks(wrong, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_preface_in_pieces_is_one() {
    let mut side = Side::raw(Role::Server, Config::default());
    for byte in PREFACE {
        assert_eq!(side.see(&[*byte]), []);
    }
    assert_eq!(side.see(&settings(&[])), [Seen::Opened]);
}

#[test]
fn a_first_frame_other_than_settings_must_be_a_connection_error() {
    for first in [
        headers(1, END_STREAM, GET),
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, ACK, 0, &[]),
        frame(0x77, 0, 0, &[]),
    ] {
        let mut server = Side::raw(Role::Server, Config::default());
        server.see(PREFACE);
        server.breaks(&first, ErrorCode::PROTOCOL_ERROR);
        Side::raw(Role::Client, Config::default()).breaks(&first, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn the_settings_of_a_preface_must_be_acknowledged() {
    let mut side = Side::raw(Role::Client, Config::default());
    side.drop_output();
    side.see(&settings(&[]));
    assert_eq!(
        side.sent()
            .iter()
            .map(|f| (f.kind, f.flags, f.payload.len()))
            .collect::<Vec<_>>(),
        [(SETTINGS, ACK, 0)]
    );
}

#[test]
fn a_client_may_send_before_the_servers_preface_arrives() {
    let mut side = Side::raw(Role::Client, Config::default());
    assert!(side.connection.can_open() && !side.connection.has_peer_settings());
    side.connection.open(&list(GET), true, 1).unwrap();
    assert_eq!(side.sent().last().unwrap().kind, HEADERS);
}
