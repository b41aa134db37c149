//! The same bytes give the same events, however they are cut.

use http1::{BodyLength, Config, Connection, Error, Role};

use crate::drive::{Seen, client, end, feed, headers, old_server};
use crate::random::Random;

const REQUESTS: &[&str] = &[
    "\r\n\r\nGET /a?b HTTP/1.1\r\nHost: a\r\nX-Long: 0123456789012345678901234567890123456789\r\nx:\r\n\r\n",
    "POST / HTTP/1.1\nhost: a\ncontent-length: 12\n\nhello\r\n\r\nyou",
    "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nt: 1\r\nu: 2\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET http://b:1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: x-a, keep-alive\r\nx-a: b\r\nexpect: 100-continue\r\n\r\n",
    "HEAD / HTTP/1.1\r\nhost: [::1]:80\r\nte: trailers\r\n\r\n",
];

/// What a server sees that answers each request at its end.
fn serve(pieces: &[&[u8]]) -> (Vec<Seen>, Option<Error>) {
    let mut conn = old_server();
    let mut seen = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let left = match feed(&mut conn, &kept, &mut seen) {
                Ok(left) => left.to_vec(),
                Err(error) => return (seen, Some(error)),
            };
            kept = left;
            if conn.wants_input() || conn.should_close() {
                break;
            }
            conn.send_response(&headers(&[(":status", "200")]), BodyLength::Empty)
                .unwrap();
            conn.advance(usize::MAX);
        }
    }
    (seen, conn.end_of_input().err())
}

#[test]
fn requests_give_the_same_events_in_every_cutting() {
    let mut random = Random::new(1);
    for round in 0..400 {
        let stream: String = (0..1 + random.below(6))
            .map(|_| random.pick(REQUESTS))
            .collect();
        let whole = serve(&[stream.as_bytes()]);
        assert_eq!(whole.1, None, "{stream:?}");
        for _ in 0..5 {
            let pieces = random.cut(stream.as_bytes());
            assert_eq!(serve(&pieces), whole, "round {round}: {pieces:?}");
        }
    }
}

#[test]
fn a_stream_of_requests_cut_at_every_byte_gives_all_of_them() {
    let stream: String = REQUESTS.concat();
    let pieces: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    let (seen, error) = serve(&pieces);
    assert_eq!(error, None);
    assert_eq!(
        seen.iter()
            .filter(|s| matches!(s, Seen::Request { .. }))
            .count(),
        REQUESTS.len()
    );
    assert_eq!(
        seen.iter().filter(|s| **s == Seen::End).count(),
        REQUESTS.len()
    );
}

const RESPONSES: &[(&str, &str)] = &[
    (
        "GET",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-y: z\r\n\r\nhello",
    ),
    (
        "GET",
        "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n",
    ),
    ("GET", "HTTP/1.1 200 OK\r\n\r\nuntil the end\r\n\r\n"),
    ("HEAD", "HTTP/1.1 200 OK\ncontent-length: 5\n\n"),
    ("GET", "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"),
    ("CONNECT", "HTTP/1.1 200 OK\r\n\r\nraw\r\n\r\n"),
    (
        "GET",
        "HTTP/1.0 404 Not Found\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    ),
];

#[test]
fn responses_give_the_same_events_in_every_cutting() {
    let mut random = Random::new(2);
    for (method, text) in RESPONSES {
        let get = |pieces: &[&[u8]]| {
            let mut conn = client(method);
            let mut seen = Vec::new();
            for piece in pieces {
                assert_eq!(feed(&mut conn, piece, &mut seen), Ok(&b""[..]), "{text:?}");
            }
            end(&mut conn, &mut seen).unwrap();
            seen
        };
        let whole = get(&[text.as_bytes()]);
        assert_eq!(whole.last(), Some(&Seen::End));
        for _ in 0..200 {
            assert_eq!(get(&random.cut(text.as_bytes())), whole);
        }
    }
}

#[test]
fn a_refused_request_is_refused_in_every_cutting() {
    let bad = [
        "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcX",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nbad\r\n\r\n",
        "GET / HTTP/1.1\r\r\nhost: a\r\n\r\n",
        "\rGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    let mut random = Random::new(3);
    for text in bad {
        let whole = serve(&[text.as_bytes()]);
        assert!(whole.1.is_some());
        for _ in 0..100 {
            assert_eq!(serve(&random.cut(text.as_bytes())), whole, "{text:?}");
        }
    }
}

#[test]
fn memory_of_an_incomplete_head_does_not_depend_on_how_it_is_cut() {
    let config = Config {
        max_head_bytes: 1000,
        ..Config::default()
    };
    for piece in [1, 3, 999] {
        let mut conn = Connection::new(Role::Server, config);
        let head = vec![b'A'; 5000];
        let mut taken = 0;
        let mut list = headers::Headers::new();
        let error = loop {
            let mut input = &head[taken..(taken + piece).min(head.len())];
            let before = input.len();
            match conn.next(&mut input, &mut list) {
                Ok(None) => taken += before - input.len(),
                other => break other,
            }
        };
        assert_eq!(error, Err(Error::HeadTooLarge));
        assert!(taken <= 1000, "{taken}");
    }
}
