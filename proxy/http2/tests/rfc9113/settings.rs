//! RFC 9113, 6.5: SETTINGS.

use http2::{Config, ErrorCode, Role};

use crate::kit::{
    ACK, END_STREAM, GET, HEADERS, POST, SETTINGS, Side, data, frame, list, settings, window_update,
};

#[test]
fn an_acknowledgement_with_content_must_be_a_frame_size_error() {
    Side::server().breaks(
        &frame(SETTINGS, ACK, 0, &[0; 6]),
        ErrorCode::FRAME_SIZE_ERROR,
    );
}

#[test]
fn settings_of_a_stream_must_be_a_protocol_error() {
    Side::server().breaks(&frame(SETTINGS, 0, 1, &[]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_length_that_is_no_multiple_of_6_must_be_a_frame_size_error() {
    Side::server().breaks(&frame(SETTINGS, 0, 0, &[0; 7]), ErrorCode::FRAME_SIZE_ERROR);
}

#[test]
fn enable_push_must_be_0_or_1_and_0_of_a_server() {
    Side::server().breaks(&settings(&[(2, 2)]), ErrorCode::PROTOCOL_ERROR);
    Side::server().see(&settings(&[(2, 1)]));
    Side::client().breaks(&settings(&[(2, 1)]), ErrorCode::PROTOCOL_ERROR);
    Side::client().see(&settings(&[(2, 0)]));
}

#[test]
fn an_initial_window_beyond_31_bits_must_be_a_flow_control_error() {
    Side::server().breaks(&settings(&[(4, 1 << 31)]), ErrorCode::FLOW_CONTROL_ERROR);
    Side::server().see(&settings(&[(4, (1 << 31) - 1)]));
}

#[test]
fn a_frame_size_out_of_range_must_be_a_protocol_error() {
    for value in [0, 16_383, 1 << 24, u32::MAX] {
        Side::server().breaks(&settings(&[(5, value)]), ErrorCode::PROTOCOL_ERROR);
    }
    for value in [16_384, (1 << 24) - 1] {
        Side::server().see(&settings(&[(5, value)]));
    }
}

#[test]
fn the_connect_protocol_must_be_0_or_1_and_not_be_taken_back() {
    Side::client().breaks(&settings(&[(8, 2)]), ErrorCode::PROTOCOL_ERROR);
    let mut side = Side::client();
    assert!(!side.connection.peer_allows_connect_protocol());
    side.see(&settings(&[(8, 1)]));
    assert!(side.connection.peer_allows_connect_protocol());
    side.breaks(&settings(&[(8, 0)]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn unknown_settings_must_be_ignored() {
    let mut side = Side::server();
    side.see(&settings(&[(0, 1), (0x7777, u32::MAX), (9, 9)]));
    assert_eq!(side.sent().len(), 1);
}

#[test]
fn each_settings_frame_must_be_acknowledged() {
    let mut side = Side::server();
    side.see(&[settings(&[(4, 1)]), settings(&[]), settings(&[(4, 2)])].concat());
    let sent = side.sent();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|f| (f.kind, f.flags) == (SETTINGS, ACK)));
}

#[test]
fn values_must_be_applied_in_their_order() {
    let mut side = Side::server();
    side.see(&settings(&[(4, 100), (6, 5), (4, 3), (6, 7)]));
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, false);
    assert_eq!(side.connection.send_window(stream), 3);
    assert_eq!(side.connection.peer_max_header_list_size(), 7);
}

#[test]
fn an_acknowledgement_of_nothing_must_be_a_protocol_error() {
    Side::server().breaks(&frame(SETTINGS, ACK, 0, &[]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_smaller_initial_window_binds_the_peer_once_it_acknowledged() {
    let config = Config {
        initial_window: 10,
        ..Config::default()
    };
    let mut side = Side::raw(Role::Client, config);
    side.see(&settings(&[]));
    side.open(true);
    side.open(true);
    side.see(&crate::kit::headers(1, 0, crate::kit::OK));
    side.see(&crate::kit::headers(3, 0, crate::kit::OK));
    // Sent before it knew.
    side.see(&data(1, 0, &[0; 1000]));
    side.see(&frame(SETTINGS, ACK, 0, &[]));
    side.see(&data(3, 0, &[0; 10]));
    side.resets(&data(3, 0, &[0; 1]), 3, ErrorCode::FLOW_CONTROL_ERROR);
    // The first one's window is below zero.
    side.resets(&data(1, 0, &[0; 1]), 1, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn a_larger_initial_window_is_open_once_acknowledged() {
    let mut side = Side::raw(Role::Server, Config::default());
    side.see(crate::kit::PREFACE);
    side.see(&settings(&[]));
    side.request(1, 0, POST);
    side.request(3, 0, POST);
    let chunk = vec![0; 16_000];
    for _ in 0..4 {
        side.see(&data(1, 0, &chunk));
        side.see(&data(3, 0, &chunk));
    }
    side.resets(&data(3, 0, &chunk), 3, ErrorCode::FLOW_CONTROL_ERROR);
    side.see(&frame(SETTINGS, ACK, 0, &[]));
    side.see(&data(1, 0, &chunk));
}

#[test]
fn the_peers_frame_size_is_kept_to_once_its_settings_came() {
    let mut side = Side::client();
    side.see(&window_update(0, 1 << 20));
    side.see(&settings(&[(4, 1 << 20), (5, 1 << 20)]));
    side.drop_output();
    let stream = side.open(false);
    side.connection.send_data(stream, &vec![0; 100_000], false);
    // Ours stay small whatever the peer takes.
    assert!(side.sent().iter().all(|f| f.payload.len() <= 16_384));
    let value = "v".repeat(100_000);
    let fields = [GET, &[("x", &value)]].concat();
    side.connection.open(&list(&fields), true, 0).unwrap();
    let sent = side.sent();
    assert_eq!((sent.len(), sent[0].kind), (1, HEADERS));
}
