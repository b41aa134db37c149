//! Either end of an HTTP/1 connection: any bytes in any pieces, and a caller that answers in and out of turn.

use headers::Headers;
use http1::{BodyLength, Config, Connection, Event, Role};

use crate::input::Input;

const CONFIG: Config = Config {
    max_head_bytes: 300,
    max_fields: 10,
    accept_http_10: true,
    allow_custom_methods: true,
    refuse_https: true,
    max_informational: 3,
    max_chunk_line: 20,
};

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let role = input.pick(&[Role::Server, Role::Client]);
    let mut connection = Connection::new(role, CONFIG);
    let mut list = Headers::new();
    if role == Role::Client {
        meddle(&mut connection, 2, &mut input);
    }
    let mut kept: Vec<u8> = Vec::new();
    while !input.is_empty() {
        let what = input.byte();
        if what >= 0xe0 {
            meddle(&mut connection, what, &mut input);
        } else {
            kept.extend_from_slice(input.take(usize::from(what) + 1));
        }
        let left = feed(&mut connection, &kept, &mut list);
        kept.drain(..kept.len() - left);
        if kept.len() > 4096 {
            break;
        }
    }
    for _ in 0..3 {
        let _ = connection.end_of_input();
    }
    let _ = (
        connection.keep_alive(),
        connection.should_close(),
        connection.is_idle(),
    );
    connection.shrink_to(0);
}

/// Gives all of the bytes; says how many of them are left.
fn feed(connection: &mut Connection, bytes: &[u8], list: &mut Headers) -> usize {
    let mut input = bytes;
    let (mut events, mut data) = (0, 0);
    loop {
        match connection.next(&mut input, list) {
            Ok(Some(event)) => {
                events += 1;
                if let Event::Data(piece) = event {
                    assert!(!piece.is_empty());
                    data += piece.len();
                }
            }
            Ok(None) => {
                assert!(input.is_empty() || !connection.wants_input());
                break;
            }
            Err(error) => {
                assert!((400..600).contains(&error.status()));
                assert_eq!(connection.next(&mut input, list), Err(error));
                assert!(!connection.wants_input() && !connection.keep_alive());
                break;
            }
        }
        assert!(list.len() <= CONFIG.max_fields + 3);
        assert!(list.size() <= CONFIG.max_head_bytes * 2 + 32 * list.len());
        assert!(events <= 2 * bytes.len() + 4, "{events} events");
    }
    assert!(data <= bytes.len());
    input.len()
}

/// What a caller does; out of turn it is refused, and that is all.
fn meddle(connection: &mut Connection, what: u8, input: &mut Input<'_>) {
    let body = input.pick(&[BodyLength::Empty, BodyLength::Exact(3), BodyLength::Unknown]);
    let mut head = Headers::new();
    let status = input.pick(&["200", "204", "304", "101", "103", "500"]);
    let method = input.pick(&["GET", "HEAD", "CONNECT", "POST"]);
    let more = input.pick(&[
        ("upgrade", "websocket"),
        ("x", "y"),
        ("content-length", "3"),
    ]);
    let fields = [
        (":status", status),
        (":method", method),
        (":path", "/"),
        (":authority", "a:80"),
    ];
    for (name, value) in fields.iter().chain([&more]) {
        head.push(name.as_bytes(), value.as_bytes());
    }
    match what % 9 {
        0 | 1 => drop(connection.send_response(&head, body)),
        2 => drop(connection.send_request(&head, body)),
        3 => drop(connection.send_informational(&head)),
        4 => drop(connection.send_data(b"abc")),
        5 => drop(connection.finish()),
        6 => drop(connection.send_trailers(&head)),
        7 => connection.close_after(),
        _ => connection.give_up_head(),
    }
    connection.advance(usize::from(input.byte()));
}
