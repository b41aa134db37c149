//! RFC 9113, 5.2 and 6.9.1 to 6.9.3: flow control both ways.

use http2::{Config, ErrorCode, Role, StreamId};

use crate::kit::{
    DATA, END_STREAM, Frame, GET, OK, PADDED, POST, Seen, Side, WINDOW_UPDATE, content, data,
    frame, headers, rst_stream, settings, window_update,
};

/// A server with one request to answer whose response has begun.
fn answering() -> (Side, StreamId) {
    let mut side = Side::server();
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, false);
    side.drop_output();
    (side, stream)
}

fn data_len(frames: &[Frame]) -> usize {
    frames
        .iter()
        .filter(|f| f.kind == DATA)
        .map(|f| f.payload.len())
        .sum()
}

#[test]
fn a_sender_must_keep_to_a_streams_window() {
    let (mut side, stream) = answering();
    side.see(&window_update(0, 1 << 20));
    assert_eq!(side.connection.send_window(stream), 65_535);
    assert_eq!(
        side.connection.send_data(stream, &vec![0; 70_000], true),
        65_535
    );
    let sent = side.sent();
    assert_eq!(data_len(&sent), 65_535);
    assert!(
        sent.iter()
            .all(|f| f.flags == 0 && f.payload.len() <= 16_384)
    );
    assert_eq!(side.connection.send_data(stream, b"x", true), 0);
    assert_eq!(side.connection.send_window(stream), 0);
    assert_eq!(side.sent(), []);
}

#[test]
fn a_sender_must_keep_to_the_connections_window() {
    let mut side = Side::server();
    side.see(&settings(&[(4, 1 << 20)]));
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, false);
    side.drop_output();
    assert_eq!(
        side.connection.send_data(stream, &vec![0; 70_000], false),
        65_535
    );
    assert_eq!(data_len(&side.sent()), 65_535);
    assert_eq!(
        side.see(&window_update(0, 10)),
        [Seen::Writable {
            stream,
            token: u32::MAX
        }]
    );
    assert_eq!(side.connection.send_data(stream, &vec![0; 4465], false), 10);
}

#[test]
fn end_stream_is_sent_with_the_last_of_the_content_only() {
    let (mut side, stream) = answering();
    side.see(&settings(&[(4, 5)]));
    side.drop_output();
    assert_eq!(side.connection.send_data(stream, b"abcdefgh", true), 5);
    assert_eq!(side.sent()[0].flags, 0);
    side.see(&window_update(1, 100));
    assert_eq!(side.connection.send_data(stream, b"fgh", true), 3);
    assert_eq!(side.sent()[0].flags, END_STREAM);
    assert_eq!(side.connection.active_streams(), 0);
}

#[test]
fn an_empty_end_passes_whatever_the_windows() {
    let (mut side, stream) = answering();
    side.connection.send_data(stream, &vec![0; 65_535], false);
    side.see(&settings(&[(4, 0)]));
    side.drop_output();
    assert_eq!(side.connection.send_window(stream), 0);
    assert_eq!(side.connection.send_data(stream, b"", true), 0);
    let sent = side.sent();
    assert_eq!(
        (
            sent.len(),
            sent[0].kind,
            sent[0].flags,
            sent[0].payload.len()
        ),
        (1, DATA, END_STREAM, 0)
    );
    assert_eq!(side.connection.active_streams(), 0);
}

#[test]
fn a_changed_initial_window_must_change_all_streams_even_below_zero() {
    let (mut side, stream) = answering();
    side.see(&window_update(0, 1 << 20));
    side.connection.send_data(stream, &vec![0; 60_000], false);
    side.connection.send_data(stream, &vec![0; 60_000], false);
    side.see(&settings(&[(4, 10)]));
    // -65,525 now: so much must come before one byte passes.
    assert_eq!(side.connection.send_window(stream), 0);
    assert_eq!(side.see(&window_update(1, 65_525)), []);
    assert_eq!(side.connection.send_window(stream), 0);
    assert_eq!(side.see(&window_update(1, 3)).len(), 1);
    assert_eq!(side.connection.send_window(stream), 3);
    side.see(&settings(&[(4, 20)]));
    assert_eq!(side.connection.send_window(stream), 13);
}

#[test]
fn a_raised_initial_window_frees_blocked_streams() {
    let (mut side, stream) = answering();
    side.see(&settings(&[(4, 0)]));
    assert_eq!(side.connection.send_data(stream, b"x", false), 0);
    let seen = side.see(&settings(&[(4, 1)]));
    assert!(matches!(seen[..], [Seen::Writable { .. }]), "{seen:?}");
}

#[test]
fn an_initial_window_must_not_change_the_connections() {
    let mut side = Side::server();
    side.see(&settings(&[(4, 1 << 20)]));
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, false);
    assert_eq!(side.connection.send_window(stream), 65_535);
}

#[test]
fn an_initial_window_that_overflows_a_stream_must_be_a_flow_control_error() {
    let (mut side, _) = answering();
    side.see(&window_update(1, 1 << 30));
    side.breaks(
        &settings(&[(4, (1 << 31) - 1)]),
        ErrorCode::FLOW_CONTROL_ERROR,
    );
}

#[test]
fn blocked_streams_become_writable_in_the_order_in_which_they_were_blocked() {
    let mut side = Side::server();
    let streams: Vec<_> = [1, 3, 5]
        .map(|number| {
            let stream = side.request(number, END_STREAM, GET);
            side.respond(stream, false);
            side.connection.set_token(stream, number * 10);
            stream
        })
        .to_vec();
    side.connection
        .send_data(streams[0], &vec![0; 65_535], false);
    for stream in [streams[2], streams[0], streams[1]] {
        side.see(&window_update(stream.number(), 1000));
        assert_eq!(side.connection.send_data(stream, b"abc", false), 0);
    }
    let order: Vec<u32> = side
        .see(&window_update(0, 1))
        .into_iter()
        .map(|event| match event {
            Seen::Writable { token, .. } => token,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [50, 10, 30]);
    // Told once.
    assert_eq!(side.see(&window_update(0, 1)), []);
}

#[test]
fn a_stream_that_takes_the_whole_window_lets_the_others_go_first_next_time() {
    let mut side = Side::server();
    let streams = [1, 3].map(|number| {
        let stream = side.request(number, END_STREAM, GET);
        side.respond(stream, false);
        stream
    });
    side.connection
        .send_data(streams[0], &vec![0; 65_535], false);
    side.see(&window_update(1, 1 << 20));
    side.connection.send_data(streams[0], b"more", false);
    side.connection.send_data(streams[1], b"other", false);
    let mut turns = Vec::new();
    for _ in 0..4 {
        let mut input = &window_update(0, 2)[..];
        let mut into = headers::Headers::new();
        while let Some(event) = side.connection.next(&mut input, &mut into).unwrap() {
            if let http2::Event::Writable { stream, .. } = event {
                turns.push(stream.number());
                side.connection.send_data(stream, b"mmmm", false);
            }
        }
    }
    assert_eq!(turns, [1, 3, 1, 3]);
}

#[test]
fn a_blocked_stream_that_is_reset_is_not_told_of() {
    let (mut side, stream) = answering();
    side.connection.send_data(stream, &vec![0; 70_000], false);
    side.see(&window_update(1, 100));
    side.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(side.see(&window_update(0, 100)), []);
}

#[test]
fn a_blocked_stream_that_was_ended_by_trailers_is_not_told_of() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    side.respond(stream, false);
    side.connection.send_data(stream, &vec![0; 70_000], false);
    side.connection
        .send_headers(stream, &crate::kit::list(&[("x", "y")]), true);
    assert_eq!(
        side.see(&[window_update(1, 9), window_update(0, 9)].concat()),
        []
    );
}

#[test]
fn a_blocked_stream_that_got_through_is_not_told_of() {
    let (mut side, stream) = answering();
    side.connection.send_data(stream, &vec![0; 70_000], false);
    let mut input = &[window_update(1, 100), window_update(0, 100)].concat()[..];
    let mut into = headers::Headers::new();
    let event = side.connection.next(&mut input, &mut into).unwrap();
    assert!(matches!(event, Some(http2::Event::Writable { .. })));
    assert_eq!(side.connection.send_data(stream, b"all", false), 3);
    assert_eq!(side.see(&window_update(1, 1)), []);
}

#[test]
fn data_beyond_a_streams_window_must_be_a_stream_error() {
    let config = Config {
        initial_window: 10,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    side.request(1, 0, POST);
    side.see(&data(1, 0, &[0; 10]));
    side.see(&data(1, 0, &[]));
    let seen = side.resets(&data(1, 0, &[0]), 1, ErrorCode::FLOW_CONTROL_ERROR);
    assert_eq!(seen.len(), 1);
}

#[test]
fn data_beyond_the_connections_window_must_be_a_connection_error() {
    let config = Config {
        connection_window: 65_535,
        ..Config::default()
    };
    let mut side = Side::with(Role::Server, config);
    side.request(1, 0, POST);
    for _ in 0..4 {
        side.see(&data(1, 0, &[0; 16_383]));
    }
    side.breaks(&data(1, 0, &[0; 4]), ErrorCode::FLOW_CONTROL_ERROR);
}

/// The increments sent since the last look, of the connection and of a stream.
fn credit(side: &mut Side, stream: u32) -> (u32, u32) {
    let (mut connection, mut of_stream) = (0, 0);
    for sent in side.sent().iter().filter(|f| f.kind == WINDOW_UPDATE) {
        assert!(sent.word() > 0);
        if sent.stream == 0 {
            connection += sent.word();
        } else {
            assert_eq!(sent.stream, stream);
            of_stream += sent.word();
        }
    }
    (connection, of_stream)
}

fn small_windows() -> Config {
    Config {
        initial_window: 1000,
        connection_window: 65_536,
        ..Config::default()
    }
}

#[test]
fn credit_comes_only_for_what_was_released_and_in_halves_of_a_window() {
    let mut side = Side::with(Role::Server, small_windows());
    let stream = side.request(1, 0, POST);
    side.see(&data(1, 0, &[0; 1000]));
    assert_eq!(credit(&mut side, 1), (0, 0));
    side.connection.release(stream, 499);
    assert_eq!(credit(&mut side, 1), (0, 0));
    side.connection.release(stream, 1);
    assert_eq!(credit(&mut side, 1), (0, 500));
    side.see(&data(1, 0, &[0; 500]));
    side.resets(&data(1, 0, &[0; 1]), 1, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn credit_of_the_connection_comes_also_for_streams_that_are_gone() {
    let mut side = Side::with(
        Role::Server,
        Config {
            initial_window: 1 << 20,
            ..small_windows()
        },
    );
    let stream = side.request(1, 0, POST);
    for _ in 0..4 {
        side.see(&data(1, 0, &[0; 16_384]));
    }
    side.see(&rst_stream(1, ErrorCode::CANCEL));
    assert_eq!(credit(&mut side, 1), (0, 0));
    side.connection.release(stream, 65_536);
    assert_eq!(credit(&mut side, 1), (65_536, 0));
}

#[test]
fn more_than_came_is_never_given_back() {
    let mut side = Side::with(Role::Server, small_windows());
    let stream = side.request(1, 0, POST);
    side.see(&data(1, 0, &[0; 600]));
    side.connection.release(stream, usize::MAX);
    assert_eq!(credit(&mut side, 1), (0, 600));
    side.connection.release(stream, usize::MAX);
    assert_eq!(credit(&mut side, 1), (0, 0));
}

#[test]
fn a_stream_that_receives_no_more_gets_no_credit() {
    let mut side = Side::with(Role::Server, small_windows());
    let stream = side.request(1, 0, POST);
    side.see(&data(1, END_STREAM, &[0; 1000]));
    side.connection.release(stream, 1000);
    assert_eq!(credit(&mut side, 1), (0, 0));
}

#[test]
fn padding_counts_and_its_credit_comes_at_once() {
    let mut side = Side::with(Role::Server, small_windows());
    side.request(1, 0, POST);
    let mut payload = vec![0; 600];
    payload[0] = 255;
    let seen = side.see(&frame(DATA, PADDED, 1, &payload));
    assert_eq!(content(&seen).len(), 344);
    // 256 of padding are owed, not yet half of a window.
    assert_eq!(credit(&mut side, 1), (0, 0));
    let mut payload = vec![0; 256];
    payload[0] = 255;
    side.see(&frame(DATA, PADDED, 1, &payload));
    assert_eq!(credit(&mut side, 1), (0, 512));
}

#[test]
fn data_that_gets_no_event_still_counts_and_its_credit_comes_at_once() {
    let config = Config {
        initial_window: 1 << 20,
        ..small_windows()
    };
    // Of a stream that we reset; of one that never saw it end; of one in the middle of a frame.
    let mut side = Side::with(Role::Server, config);
    let stream = side.request(1, 0, POST);
    side.connection.reset(stream, ErrorCode::CANCEL);
    for _ in 0..2 {
        side.see(&data(1, 0, &[0; 16_384]));
    }
    assert_eq!(credit(&mut side, 1), (32_768, 0));

    let mut side = Side::with(Role::Server, config);
    let stream = side.request(1, END_STREAM, GET);
    side.respond(stream, true);
    for _ in 0..2 {
        side.see(&data(1, 0, &[0; 16_384]));
    }
    assert_eq!(credit(&mut side, 1), (32_768, 0));

    let mut side = Side::with(Role::Server, config);
    let stream = side.request(1, 0, POST);
    let frame = data(1, 0, &[0; 16_384]);
    side.see(&frame[..9]);
    side.connection.reset(stream, ErrorCode::CANCEL);
    side.see(&frame[9..]);
    side.see(&frame);
    assert_eq!(credit(&mut side, 1), (32_768, 0));
}

#[test]
fn a_body_of_many_windows_passes_while_it_is_released() {
    let mut side = Side::with(Role::Client, small_windows());
    let stream = side.open(true);
    side.see(&headers(1, 0, OK));
    let (mut window, mut total) = (1000u32, 0);
    for _ in 0..200 {
        let seen = side.see(&data(1, 0, &vec![0; window as usize]));
        let came = content(&seen).len();
        total += came;
        side.connection.release(stream, came);
        let (_, more) = credit(&mut side, 1);
        assert_eq!(more, window);
        window = more;
    }
    assert_eq!(total, 200_000);
}
