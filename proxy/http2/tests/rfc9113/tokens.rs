//! Streams as the caller knows them: ids, tokens, and one end for each.

use http2::{ErrorCode, NO_TOKEN};

use crate::kit::{END_STREAM, GET, OK, POST, Seen, Side, data, headers, rst_stream};

#[test]
fn a_token_comes_with_every_event_of_its_stream() {
    let mut side = Side::server();
    let stream = side.request(1, 0, POST);
    let token_of = |seen: &[Seen]| match seen {
        [Seen::Data { token, .. } | Seen::Headers { token, .. } | Seen::Reset { token, .. }] => {
            *token
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(token_of(&side.see(&data(1, 0, b"x"))), NO_TOKEN);
    side.connection.set_token(stream, 5);
    assert_eq!(token_of(&side.see(&data(1, 0, b"x"))), 5);
    assert_eq!(token_of(&side.see(&headers(1, END_STREAM, &[]))), 5);
    assert_eq!(token_of(&side.see(&rst_stream(1, ErrorCode::CANCEL))), 5);
}

#[test]
fn an_id_of_a_stream_that_is_gone_names_no_other_in_its_place() {
    let mut side = Side::server();
    let first = side.request(1, END_STREAM, GET);
    side.respond(first, true);
    let second = side.request(3, END_STREAM, GET);
    side.drop_output();
    side.connection.set_token(first, 9);
    side.respond(first, true);
    side.connection.reset(first, ErrorCode::CANCEL);
    side.connection.release(first, 100);
    assert_eq!(side.sent(), []);
    assert_eq!(
        side.connection.streams().collect::<Vec<_>>(),
        [(second, NO_TOKEN)]
    );
}

#[test]
fn many_streams_open_and_close_in_any_order() {
    let mut side = Side::client();
    let mut open = Vec::new();
    let mut seed = 1u32;
    for i in 0..5000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if open.len() < 80 {
            let stream = side.open(true);
            side.connection.set_token(stream, i);
            open.push((stream, i));
        }
        if seed >> 31 == 0 || open.len() == 80 {
            let (stream, token) = open.swap_remove(seed as usize % open.len());
            let seen = side.see(&headers(stream.number(), END_STREAM, OK));
            assert!(
                matches!(seen[..], [Seen::Headers { stream: s, token: t, .. }] if s == stream && t == token),
                "{seen:?}"
            );
        }
        assert_eq!(side.connection.active_streams(), open.len());
    }
    assert_eq!(side.connection.streams().count(), open.len());
}

#[test]
fn long_lived_streams_do_not_hide_later_ones() {
    let mut side = Side::client();
    let old: Vec<_> = (0..40).map(|_| side.open(true)).collect();
    for _ in 0..3000 {
        let stream = side.open(true);
        assert_eq!(side.see(&headers(stream.number(), END_STREAM, OK)).len(), 1);
    }
    for stream in old {
        assert_eq!(side.see(&headers(stream.number(), END_STREAM, OK)).len(), 1);
    }
    assert_eq!(side.connection.active_streams(), 0);
}
