//! The bounds against floods (RFC 9113, 10.5), and that honest peers stay within them.

use http2::{Config, ErrorCode, Role};

use crate::kit::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, OK, PADDED, PING, POST, PRIORITY,
    RST_STREAM, Seen, Side, data, frame, headers, rst_stream, settings, window_update,
};

const CALM: ErrorCode = ErrorCode::ENHANCE_YOUR_CALM;

#[test]
fn answers_that_the_peer_does_not_read_are_bounded() {
    for flood in [frame(PING, 0, 0, &[0; 8]), settings(&[])] {
        let config = Config {
            max_queued_control: 10,
            max_settings: 1000,
            ..Config::default()
        };
        let mut side = Side::with(Role::Server, config);
        side.see(&flood.repeat(10));
        side.breaks(&flood.repeat(11), CALM);
    }
}

#[test]
fn answers_that_the_peer_reads_are_not_bounded() {
    let config = Config {
        max_queued_control: 10,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    for _ in 0..1000 {
        side.see(&frame(PING, 0, 0, &[0; 8]));
        // Never all of it: something is always waiting.
        let waiting = side.connection.output_len();
        side.connection.advance(waiting.saturating_sub(40));
    }
}

#[test]
fn resets_that_the_peer_makes_us_send_are_bounded() {
    let config = Config {
        max_queued_control: 10,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    let bytes: Vec<u8> = (0..20)
        .flat_map(|i| headers(2 * i + 1, END_STREAM, &[(":method", "GET")]))
        .collect();
    side.breaks(&bytes, CALM);
}

#[test]
fn rapid_reset_is_bounded() {
    let config = Config {
        reset_budget: 10,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    let attack = |i| {
        [
            headers(i, END_STREAM, GET),
            rst_stream(i, ErrorCode::CANCEL),
        ]
        .concat()
    };
    for i in 0..10 {
        side.see(&attack(2 * i + 1));
    }
    side.breaks(&attack(21), CALM);
}

#[test]
fn streams_that_the_peer_makes_us_reset_count_as_rapid_reset() {
    let config = Config {
        reset_budget: 10,
        ..Config::default()
    };
    for error in [
        |i: u32| window_update(i, 0),
        |i: u32| data(i, 0, b"x"),
        |i: u32| frame(PRIORITY, 0, i, &[0; 4]),
    ] {
        let mut side = Side::with(Role::Server, config);
        let attack = |i| [headers(i, END_STREAM, GET), error(i)].concat();
        for i in 0..10 {
            side.see(&attack(2 * i + 1));
            side.drop_output();
        }
        side.breaks(&attack(21), CALM);
    }
    let mut side = Side::with(Role::Server, config);
    for i in 0..10 {
        side.see(&headers(2 * i + 1, END_STREAM, OK));
    }
    side.breaks(&headers(21, END_STREAM, OK), CALM);
}

#[test]
fn answered_streams_and_time_give_back_the_budget_of_resets() {
    let config = Config {
        reset_budget: 2,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    for i in 0..100 {
        let stream = side.request(4 * i + 1, END_STREAM, GET);
        side.respond(stream, true);
        side.drop_output();
        side.request(4 * i + 3, END_STREAM, GET);
        side.see(&rst_stream(4 * i + 3, ErrorCode::CANCEL));
    }
    for i in 100..200 {
        side.request(4 * i + 1, END_STREAM, GET);
        side.see(&rst_stream(4 * i + 1, ErrorCode::CANCEL));
        side.connection.refill_reset_budget(1);
    }
}

#[test]
fn resets_of_streams_that_were_answered_cost_nothing() {
    let config = Config {
        reset_budget: 0,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    for i in 0..100 {
        let stream = side.request(2 * i + 1, END_STREAM, GET);
        side.respond(stream, false);
        side.see(&rst_stream(2 * i + 1, ErrorCode::CANCEL));
    }
}

#[test]
fn a_client_that_leaves_with_all_its_streams_is_no_attacker() {
    let mut side = Side::server();
    let most = Config::default().max_concurrent_streams;
    for i in 0..most {
        side.request(2 * i + 1, END_STREAM, GET);
    }
    for i in 0..most {
        side.see(&rst_stream(2 * i + 1, ErrorCode::CANCEL));
    }
    side.request(2 * most + 1, END_STREAM, GET);
}

#[test]
fn empty_frames_in_a_row_are_bounded() {
    let config = Config {
        max_empty_frames: 5,
        ..Config::default()
    };
    for empty in [
        data(1, 0, b""),
        frame(DATA, PADDED, 1, &[0]),
        frame(DATA, PADDED, 1, &[2, 0, 0]),
        frame(0x40, 0, 0, b""),
    ] {
        let mut side = Side::with(Role::Server, config);
        side.request(1, 0, POST);
        side.see(&empty.repeat(5));
        side.see(&data(1, 0, b"x"));
        side.see(&empty.repeat(5));
        side.breaks(&empty, CALM);
    }
    // Of a stream that is gone too.
    let mut side = Side::with(Role::Server, config);
    let stream = side.request(1, 0, POST);
    side.connection.reset(stream, ErrorCode::CANCEL);
    side.breaks(&data(1, 0, b"").repeat(6), CALM);
}

#[test]
fn continuation_frames_are_bounded_in_number_and_size() {
    let config = Config {
        max_continuations: 4,
        max_header_block: 40_000,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    side.see(&frame(HEADERS, END_STREAM, 1, b""));
    side.see(&frame(CONTINUATION, 0, 1, b"").repeat(4));
    side.breaks(&frame(CONTINUATION, 0, 1, b""), CALM);

    let mut side = Side::with(Role::Server, config);
    side.see(&frame(HEADERS, END_STREAM, 1, &[0x82; 16_000]));
    side.see(&frame(CONTINUATION, 0, 1, &[0x82; 16_000]));
    side.breaks(&frame(CONTINUATION, END_HEADERS, 1, &[0x82; 16_000]), CALM);
}

#[test]
fn each_block_has_its_own_count_of_continuation_frames() {
    let config = Config {
        max_continuations: 2,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    let block = crate::kit::block(GET);
    for i in 0..10 {
        let stream = 2 * i + 1;
        let bytes = [
            frame(HEADERS, END_STREAM, stream, &block[..1]),
            frame(CONTINUATION, 0, stream, &block[1..2]),
            frame(CONTINUATION, END_HEADERS, stream, &block[2..]),
        ];
        assert_eq!(side.see(&bytes.concat()).len(), 1);
    }
}

#[test]
fn priority_frames_are_bounded_by_streams() {
    let config = Config {
        max_priority_per_stream: 3,
        ..Config::default()
    };
    let priority = frame(PRIORITY, 0, 99, &[0; 5]);
    let mut side = Side::with(Role::Server, config);
    side.see(&priority.repeat(3));
    side.request(1, END_STREAM, GET);
    side.see(&priority.repeat(3));
    side.breaks(&priority, CALM);
}

#[test]
fn window_updates_are_bounded_by_streams_and_data_sent() {
    let config = Config {
        max_window_updates_per_data: 3,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    side.see(&window_update(0, 1).repeat(100));
    let stream = side.request(1, END_STREAM, GET);
    side.see(&window_update(0, 1).repeat(2));
    side.respond(stream, false);
    side.connection.send_data(stream, b"x", false);
    side.see(&window_update(1, 1).repeat(3));
    side.breaks(&window_update(0, 1), CALM);
}

#[test]
fn settings_frames_are_bounded_by_streams() {
    let config = Config {
        max_settings: 3,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    // One came at the start.
    for _ in 0..2 {
        side.see(&settings(&[]));
        side.drop_output();
    }
    side.request(1, END_STREAM, GET);
    side.see(&settings(&[]));
    side.breaks(&settings(&[]), CALM);
}

#[test]
fn informational_responses_are_bounded() {
    let config = Config {
        max_informational: 3,
        ..Config::default()
    };
    let mut side = Side::with(Role::Client, config);
    side.open(true);
    let early = headers(1, 0, &[(":status", "103")]);
    side.see(&early.repeat(3));
    let seen = side.resets(&early, 1, CALM);
    assert!(matches!(seen[..], [Seen::Reset { by_us: true, .. }]));
}

#[test]
fn requests_beyond_the_limit_of_streams_count_once_the_peer_knows_it() {
    let config = Config {
        max_concurrent_streams: 0,
        reset_budget: 5,
        ..Config::default()
    };
    let mut side = Side::raw(Role::Server, config);
    side.see(crate::kit::PREFACE);
    side.see(&settings(&[]));
    for i in 0..50 {
        side.see(&headers(2 * i + 1, END_STREAM, GET));
        assert!(side.sent().iter().any(|f| f.kind == RST_STREAM));
    }
    side.see(&frame(4, 1, 0, &[]));
    for i in 50..55 {
        side.see(&headers(2 * i + 1, END_STREAM, GET));
    }
    side.breaks(&headers(111, END_STREAM, GET), CALM);
}
