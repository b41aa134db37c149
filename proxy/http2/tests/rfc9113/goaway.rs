//! RFC 9113, 6.8: GOAWAY, theirs and ours.

use http2::{ErrorCode, OpenError};

use crate::kit::{
    ACK, END_STREAM, GET, GOAWAY, OK, PING, POST, Seen, Side, content, data, frame, goaway,
    headers, list,
};

#[test]
fn goaway_on_a_stream_must_be_a_protocol_error() {
    Side::client().breaks(&frame(GOAWAY, 0, 1, &[0; 8]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn no_stream_must_be_opened_after_goaway() {
    let mut side = Side::client();
    let seen = side.see(&goaway(0, ErrorCode::NO_ERROR));
    assert_eq!(
        seen,
        [Seen::GoAway {
            last_stream: 0,
            code: ErrorCode::NO_ERROR
        }]
    );
    assert!(!side.connection.can_open());
    assert_eq!(
        side.connection.open(&list(GET), true, 0),
        Err(OpenError::GoingAway)
    );
    assert!(side.connection.is_drained());
}

#[test]
fn streams_beyond_the_last_are_refused_once_each_and_the_others_go_on() {
    let mut side = Side::client();
    let streams: Vec<_> = (0..4).map(|_| side.open(true)).collect();
    for (stream, token) in streams.iter().zip(10..) {
        side.connection.set_token(*stream, token);
    }
    let seen = side.see(&goaway(3, ErrorCode::NO_ERROR));
    assert_eq!(
        seen[1..],
        [
            Seen::Refused {
                stream: streams[2],
                token: 12
            },
            Seen::Refused {
                stream: streams[3],
                token: 13
            }
        ]
    );
    assert!(!side.connection.is_drained());
    let seen = side.see(
        &[
            headers(1, END_STREAM, OK),
            headers(3, 0, OK),
            data(3, END_STREAM, b"x"),
        ]
        .concat(),
    );
    assert_eq!(content(&seen), b"x");
    assert!(side.connection.is_drained());
    // What it had sent for the others before is dropped.
    assert_eq!(side.see(&headers(5, END_STREAM, OK)), []);
}

#[test]
fn a_refused_stream_that_the_caller_resets_first_is_not_told_again() {
    let mut side = Side::client();
    let streams: Vec<_> = (0..3).map(|_| side.open(true)).collect();
    let mut input = &goaway(0, ErrorCode::NO_ERROR)[..];
    let mut into = headers::Headers::new();
    let mut refused = 0;
    while let Some(event) = side.connection.next(&mut input, &mut into).unwrap() {
        match event {
            http2::Event::GoAway { .. } => {
                side.connection.reset(streams[1], ErrorCode::CANCEL);
            }
            http2::Event::Refused { stream, .. } => {
                assert_ne!(stream, streams[1]);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 2);
}

#[test]
fn a_second_goaway_may_lower_the_last_stream_and_must_not_raise_it() {
    let mut side = Side::client();
    for _ in 0..3 {
        side.open(true);
    }
    assert_eq!(
        side.see(&goaway((1 << 31) - 1, ErrorCode::NO_ERROR)).len(),
        1
    );
    assert_eq!(side.see(&goaway(3, ErrorCode::NO_ERROR)).len(), 2);
    side.breaks(&goaway(5, ErrorCode::NO_ERROR), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn unknown_codes_and_debug_data_are_taken() {
    let mut side = Side::client();
    let mut payload = [0; 8].to_vec();
    payload[4..8].copy_from_slice(&0xdead_beef_u32.to_be_bytes());
    payload.extend(b"because");
    assert_eq!(
        side.see(&frame(GOAWAY, 0, 0, &payload)),
        [Seen::GoAway {
            last_stream: 0,
            code: ErrorCode(0xdead_beef)
        }]
    );
}

#[test]
fn a_server_drains_by_an_announcement_a_ping_and_the_last_stream() {
    let mut side = Side::server();
    let first = side.request(1, END_STREAM, GET);
    side.connection.drain();
    side.connection.drain();
    let sent = side.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!((sent[0].kind, sent[0].word()), (GOAWAY, (1 << 31) - 1));
    assert_eq!((sent[1].kind, sent[1].flags), (PING, 0));
    // One that was on its way is taken.
    let second = side.request(3, END_STREAM, GET);
    side.see(&frame(PING, ACK, 0, &sent[1].payload));
    let sent = side.sent();
    assert_eq!((sent.len(), sent[0].kind, sent[0].word()), (1, GOAWAY, 3));
    // Later ones are dropped, without a word and with what follows them.
    let late = [
        headers(5, 0, POST),
        data(5, 0, b"x"),
        headers(5, END_STREAM, &[("x", "y")]),
    ];
    assert_eq!(side.see(&late.concat()), []);
    assert_eq!(side.sent(), []);
    assert!(!side.connection.is_drained());
    side.respond(first, true);
    side.respond(second, true);
    assert!(side.connection.is_drained() && !side.connection.is_closed());
}

#[test]
fn a_server_that_only_announces_takes_requests_until_its_caller_leaves() {
    let mut side = Side::server();
    side.connection.announce();
    side.connection.announce();
    let sent = side.sent();
    assert_eq!((sent.len(), sent[0].kind), (1, GOAWAY));
    assert_eq!(sent[0].word(), (1 << 31) - 1);
    let late = side.request(1, END_STREAM, GET);
    side.respond(late, true);
    assert!(!side.connection.is_drained());
    side.drop_output();
    side.connection.go_away(ErrorCode::NO_ERROR);
    let sent = side.sent();
    assert_eq!((sent.len(), sent[0].kind, sent[0].word()), (1, GOAWAY, 1));
    assert!(side.connection.is_drained());
    side.connection.announce();
    assert_eq!(side.sent(), []);
}

#[test]
fn what_was_announced_is_not_said_again_by_a_server_that_drains() {
    let mut side = Side::server();
    side.connection.announce();
    side.drop_output();
    side.connection.drain();
    side.connection.drain();
    let sent = side.sent();
    assert_eq!((sent.len(), sent[0].kind), (1, PING));
    assert!(!side.connection.is_drained());
    side.see(&frame(PING, ACK, 0, &sent[0].payload));
    assert!(side.connection.is_drained());
}

#[test]
fn a_server_that_hears_no_answer_can_leave_at_once() {
    let mut side = Side::server();
    side.request(1, END_STREAM, GET);
    side.connection.drain();
    side.drop_output();
    side.connection.go_away(ErrorCode::NO_ERROR);
    let sent = side.sent();
    assert_eq!((sent[0].kind, sent[0].word()), (GOAWAY, 1));
    side.connection.go_away(ErrorCode::NO_ERROR);
    assert_eq!(side.sent(), []);
}

#[test]
fn the_last_stream_that_we_say_must_not_rise() {
    let mut side = Side::server();
    side.request(1, END_STREAM, GET);
    side.connection.go_away(ErrorCode::NO_ERROR);
    side.see(&headers(3, END_STREAM, GET));
    side.drop_output();
    side.connection.go_away(ErrorCode::INTERNAL_ERROR);
    let sent = side.sent();
    assert_eq!((sent[0].kind, sent[0].word()), (GOAWAY, 1));
    assert!(side.connection.is_closed());
}

#[test]
fn a_client_drains_by_opening_no_more() {
    let mut side = Side::client();
    let stream = side.open(false);
    side.connection.drain();
    let sent = side.sent();
    assert_eq!((sent.len(), sent[0].kind, sent[0].word()), (1, GOAWAY, 0));
    assert_eq!(
        side.connection.open(&list(GET), true, 0),
        Err(OpenError::GoingAway)
    );
    assert_eq!(side.connection.send_data(stream, b"x", true), 1);
    side.see(&headers(1, END_STREAM, OK));
    assert!(side.connection.is_drained());
}

#[test]
fn after_our_own_error_nothing_is_read_any_more() {
    let mut side = Side::server();
    side.connection.go_away(ErrorCode::ENHANCE_YOUR_CALM);
    assert!(side.connection.is_closed() && side.connection.is_drained());
    side.drop_output();
    assert_eq!(side.see(&headers(1, END_STREAM, GET)), []);
    assert_eq!(side.sent(), []);
}

#[test]
fn the_last_stream_is_what_an_error_says_was_taken() {
    let mut side = Side::server();
    side.request(1, END_STREAM, GET);
    side.request(7, END_STREAM, GET);
    side.feed(&frame(PING, 0, 1, &[0; 8]));
    assert_eq!(side.sent()[0].word(), 7);
}

#[test]
fn streams_that_end_with_the_transport_can_be_listed() {
    let mut side = Side::client();
    let first = side.open(true);
    let second = side.open(true);
    side.connection.set_token(second, 8);
    side.feed(&frame(PING, 0, 1, &[0; 8]));
    assert_eq!(
        side.connection.streams().collect::<Vec<_>>(),
        [(first, 7), (second, 8)]
    );
}
