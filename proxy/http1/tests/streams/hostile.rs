//! Bytes of no form at all, and of almost the right one: no panic, no endless loop, no memory beyond the bound.

use headers::Headers;
use http1::{BodyLength, Config, Connection, Event, Role};

use crate::drive;
use crate::random::Random;

const PARTS: &[&str] = &[
    "GET ",
    "POST ",
    "HEAD ",
    "CONNECT ",
    "OPTIONS ",
    "/ ",
    "* ",
    "http://a/ ",
    "a:80 ",
    "HTTP/1.1",
    "HTTP/1.0",
    "\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "host: a\r\n",
    "Host: b\r\n",
    "content-length: 3\r\n",
    "content-length: 18446744073709551615\r\n",
    "transfer-encoding: chunked\r\n",
    "connection: close\r\n",
    "connection: upgrade, x, te\r\n",
    "upgrade: websocket\r\n",
    "te: trailers\r\n",
    "expect: 100-continue\r\n",
    "x: y\r\n",
    " ",
    ":",
    "\0",
    "\u{ff}",
    "3\r\nabc\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "3;x=y\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 100 x\r\n\r\n",
    "HTTP/1.1 204 x\r\n\r\n",
    "HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

const HEADS: &[&str] = &[
    "GET / HTTP/1.1\r\nhost: a\r\n",
    "POST http://a/ HTTP/1.0\r\n",
    "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 304 x\r\n",
];

const LINES: &[&str] = &[
    "content-length: 3\r\n",
    "transfer-encoding: chunked\r\n",
    "connection: close\r\n",
    "connection: upgrade, x\r\n",
    "x: y\r\n",
    "upgrade: websocket\r\n",
    "te: trailers\r\n",
    "expect: 100-continue\r\n",
    "connection: keep-alive\r\n",
];

/// Parts in any order, behind a good head most of the time, and then a few bytes changed.
fn bytes(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    if random.below(4) > 0 {
        text += random.pick(HEADS);
        for _ in 0..random.below(3) {
            text += random.pick(LINES);
        }
        text += "\r\n";
    }
    for _ in 0..random.below(20) {
        text += random.pick(PARTS);
    }
    let mut bytes = text.into_bytes();
    for _ in 0..random.below(4) {
        if !bytes.is_empty() {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            }
        }
    }
    bytes
}

/// What the caller does now and then, in and out of turn.
fn meddle(conn: &mut Connection, random: &mut Random) {
    let length = [BodyLength::Empty, BodyLength::Exact(3), BodyLength::Unknown][random.below(3)];
    let head = drive::headers(&[
        (
            ":status",
            random.pick(&["200", "204", "304", "101", "103", "500"]),
        ),
        (":method", random.pick(&["GET", "HEAD", "CONNECT", "POST"])),
        (":path", "/"),
        (":authority", "a:80"),
        random
            .pick(&[
                &("upgrade", "websocket"),
                &("x", "y"),
                &("content-length", "3"),
            ])
            .to_owned(),
    ]);
    // Out of turn they are refused, and that is all.
    match random.below(8) {
        0 | 1 => drop(conn.send_response(&head, length)),
        2 | 3 => drop(conn.send_request(&head, length)),
        4 => drop(conn.send_informational(&head)),
        5 => drop(conn.send_data(b"abc")),
        6 => drop(conn.finish()),
        _ => drop(conn.send_trailers(&head)),
    }
    if random.below(4) == 0 {
        conn.advance(random.below(100));
    }
}

#[test]
fn a_hundred_thousand_hostile_streams_do_no_harm() {
    let mut random = Random::new(7);
    let config = Config {
        max_informational: 32,
        max_head_bytes: 300,
        max_fields: 10,
        accept_http_10: true,
        allow_custom_methods: true,
        refuse_https: true,
        max_chunk_line: 20,
    };
    let mut list = Headers::new();
    let mut heads = 0;
    for _ in 0..100_000 {
        let role = if random.below(2) == 0 {
            Role::Server
        } else {
            Role::Client
        };
        let mut conn = Connection::new(role, config);
        if role == Role::Client {
            meddle(&mut conn, &mut random);
        }
        let stream = bytes(&mut random);
        for piece in random.cut(&stream) {
            let mut input = piece;
            let mut events = 0;
            let mut data = 0;
            loop {
                match conn.next(&mut input, &mut list) {
                    Ok(Some(event)) => {
                        events += 1;
                        if let Event::Data(bytes) = event {
                            assert!(!bytes.is_empty());
                            data += bytes.len();
                        }
                        heads += usize::from(matches!(
                            event,
                            Event::Request { .. } | Event::Response { .. }
                        ));
                        assert!(list.len() <= config.max_fields + 3);
                        assert!(list.size() <= config.max_head_bytes * 2 + 32 * list.len());
                    }
                    Ok(None) => {
                        assert!(input.is_empty() || !conn.wants_input());
                        break;
                    }
                    Err(error) => {
                        assert!((400..600).contains(&error.status()));
                        assert_eq!(conn.next(&mut input, &mut list), Err(error));
                        break;
                    }
                }
                assert!(
                    events <= 2 * piece.len() + 4,
                    "{events} events of {} bytes",
                    piece.len()
                );
            }
            assert!(data <= piece.len());
            if random.below(3) == 0 {
                meddle(&mut conn, &mut random);
            }
        }
        if random.below(2) == 0 {
            for _ in 0..3 {
                let _ = conn.end_of_input();
            }
        }
        conn.shrink_to(0);
    }
    assert!(
        heads > 15_000,
        "only {heads} streams had a head: the parts do not fit"
    );
}

#[test]
fn bytes_of_no_form_do_no_harm() {
    let mut random = Random::new(8);
    let mut list = Headers::new();
    for _ in 0..20_000 {
        let mut conn = if random.below(2) == 0 {
            drive::server()
        } else {
            drive::client("GET")
        };
        let stream: Vec<u8> = (0..random.below(200))
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        for mut piece in random.cut(&stream) {
            while let Ok(Some(_)) = conn.next(&mut piece, &mut list) {}
        }
    }
}
