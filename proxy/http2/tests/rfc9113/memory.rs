//! The bound on memory, against peers that try to exceed it.

use http2::{Config, ErrorCode, Role};

use crate::kit::{
    CONTINUATION, END_STREAM, GET, HEADERS, OK, PING, POST, PRIORITY, Side, data, frame, headers,
    settings, window_update,
};

fn small() -> Config {
    Config {
        max_concurrent_streams: 50,
        max_header_block: 20_000,
        reset_budget: u32::MAX,
        ..Config::default()
    }
}

fn holds(side: &Side, config: &Config) {
    let bound = config.memory_bound(50);
    let used = side.connection.memory();
    assert!(used <= bound, "{used} of {bound}");
}

#[test]
fn a_new_connection_is_small() {
    for role in [Role::Server, Role::Client] {
        let mut side = Side::with(role, Config::default());
        side.connection.shrink();
        let total = side.connection.memory() + size_of::<http2::Connection>();
        assert!(total < 2048, "{total}");
    }
}

#[test]
fn a_connection_that_fell_idle_gives_its_memory_back() {
    let mut side = Side::server();
    for i in 0..200 {
        let stream = side.request(2 * i + 1, END_STREAM, GET);
        side.respond(stream, false);
        side.connection.send_data(stream, &[0; 300], true);
    }
    side.drop_output();
    side.connection.shrink();
    let total = side.connection.memory() + size_of::<http2::Connection>();
    assert!(total < 4096, "{total}");
    side.request(401, END_STREAM, GET);
}

#[test]
fn an_unfinished_block_is_bounded() {
    let config = small();
    let mut side = Side::with(Role::Server, config);
    side.see(&frame(HEADERS, 0, 1, &[0; 16_384]));
    holds(&side, &config);
    side.see(&frame(CONTINUATION, 0, 1, &[0; 3600]));
    let part = frame(CONTINUATION, 0, 1, &[0; 16_384]);
    side.see(&part[..16_000]);
    holds(&side, &config);
}

#[test]
fn the_dynamic_table_is_bounded() {
    let config = small();
    let mut side = Side::with(Role::Server, config);
    for i in 0..500u32 {
        let mut block = vec![0x82, 0x86, 0x84, 0x40, 5];
        block.extend(format!("x-{i:03}").bytes());
        block.push(120);
        block.extend([b'v'; 120]);
        side.see(&frame(HEADERS, 5, 2 * i + 1, &block));
        let open: Vec<_> = side.connection.streams().collect();
        for (stream, _) in open {
            side.connection.reset(stream, ErrorCode::CANCEL);
        }
        side.drop_output();
        holds(&side, &config);
    }
}

#[test]
fn blocked_streams_that_come_and_go_are_bounded() {
    let config = small();
    let mut side = Side::with(Role::Server, config);
    let first = side.request(1, END_STREAM, GET);
    side.respond(first, false);
    side.connection.send_data(first, &vec![0; 65_535], false);
    side.drop_output();
    for i in 1..5000 {
        let stream = side.request(2 * i + 1, END_STREAM, GET);
        side.respond(stream, false);
        assert_eq!(side.connection.send_data(stream, b"x", false), 0);
        side.connection.reset(stream, ErrorCode::CANCEL);
        side.drop_output();
    }
    side.connection.shrink();
    holds(&side, &config);
}

#[test]
fn streams_and_resets_are_bounded() {
    let config = small();
    let mut side = Side::with(Role::Server, config);
    for i in 0..20_000 {
        side.see(&headers(
            2 * i + 1,
            if i % 3 == 0 { END_STREAM } else { 0 },
            POST,
        ));
        if side.connection.active_streams() == 50 && i % 7 == 0 {
            let (stream, _) = side.connection.streams().next().unwrap();
            side.connection.reset(stream, ErrorCode::CANCEL);
        }
        side.drop_output();
    }
    side.connection.shrink();
    holds(&side, &config);
}

#[test]
fn unread_answers_are_bounded() {
    let config = small();
    let mut side = Side::with(Role::Server, config);
    side.request(1, 0, POST);
    let floods = [
        frame(PING, 0, 0, &[0; 8]),
        settings(&[(4, 1)]),
        data(1, 0, b"x"),
        window_update(1, 1),
        frame(PRIORITY, 0, 1, &[0; 5]),
    ];
    'flood: loop {
        for flood in &floods {
            if side.feed(flood).1.is_some() {
                break 'flood;
            }
        }
    }
    holds(&side, &config);
}

#[test]
fn nothing_grows_over_many_requests() {
    let mut side = Side::client();
    let mut after_warm_up = 0;
    for i in 0..20_000 {
        let stream = side.open(false);
        side.connection.send_data(stream, b"request", true);
        side.see(&headers(stream.number(), 0, OK));
        side.see(&data(stream.number(), END_STREAM, b"response"));
        side.connection.release(stream, 8);
        side.see(&window_update(0, 7));
        side.drop_output();
        if i == 100 {
            after_warm_up = side.connection.memory();
        }
    }
    assert_eq!(side.connection.memory(), after_warm_up);
}
