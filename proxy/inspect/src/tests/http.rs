use super::Numbers;
use crate::{Http, MOST_HTTP_BYTES, http};

/// Each of these was given to the `http_inspector` of Envoy 1.40, with a filter chain for each answer.
#[test]
fn first_lines_are_judged_as_envoy_judges_them() {
    use Http::{Http2, Http10, Http11, NeedMore, NotHttp};
    let cases: &[(&[u8], Http)] = &[
        (b"GET / HTTP/1.1\r\n", Http11),
        (b"GET / HTTP/1.1\n", Http11),
        (b"GET / HTTP/1.1\r", NeedMore),
        (b"GET / HTTP/1.0\r\n", Http10),
        (b"GET /\r\n", Http10),
        (b"GET / \r\n", Http10),
        (b"GET / HTTP/0.9\r\n", Http10),
        (b"GET / HTTP/1.2\r\n", Http10),
        (b"GET / HTTP/2.0\r\n", Http10),
        (b"get / HTTP/1.1\r\n", Http11),
        (b"Foo / HTTP/1.1\r\n", Http11),
        (b"M-SEARCH * HTTP/1.1\r\n", Http11),
        (b"CONNECT a:1 HTTP/1.1\r\n", Http11),
        (b"GET  /  HTTP/1.1\r\n", Http11),
        (b"GET\t/ HTTP/1.1\r\n", Http11),
        (b"GET / HTTP/1.1 \r\n", Http11),
        (b"POST / HTTP/1.1\r\nbad\x00", Http11),
        (b"GE", NeedMore),
        (b"X", NeedMore),
        (b"QUIT", NeedMore),
        (b"EHLO foo", NeedMore),
        (b"\x16\x03\x01", NotHttp),
        (b" GET / HTTP/1.1\r\n", NotHttp),
        (b"\r\nGET / HTTP/1.1\r\n", NotHttp),
        (b"\n", NotHttp),
        (b"GET / x HTTP/1.1\r\n", NotHttp),
        (b"GET / http/1.1\r\n", NotHttp),
        (b"GET / HTTP/1.10\r\n", NotHttp),
        (b"GET / HTTP/11\r\n", NotHttp),
        (b"GET / FOO/1.1\r\n", NotHttp),
        (b"GET x HTTP/1.1\r\n", NotHttp),
        (b"GET\r\n", NotHttp),
        (b"GET HTTP/1.1\r\n", NotHttp),
        (b"G\x00T / HTTP/1.1\r\n", NotHttp),
        (b"HELO foo\r\n", NotHttp),
        (b"PING\r\n", NotHttp),
        (b"SET a b\r\n", NotHttp),
        (b"GET /a b\r\n", NotHttp),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http2),
        (b"PRI * HTTP/2.0\r\n\r\n", NeedMore),
        (b"PRI", NeedMore),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Http10),
        (b"PRI / HTTP/1.1\r\n", Http11),
    ];
    for (bytes, answer) in cases {
        assert_eq!(http(bytes), *answer, "{}", bytes.escape_ascii());
    }
}

#[test]
fn nothing_at_all_has_no_answer_yet() {
    assert_eq!(http(b""), Http::NeedMore);
}

#[test]
fn a_line_without_end_is_not_http() {
    let mut line = b"GET /".to_vec();
    line.resize(MOST_HTTP_BYTES - 1, b'a');
    assert_eq!(http(&line), Http::NeedMore);
    line.push(b'a');
    assert_eq!(http(&line), Http::NotHttp);
    line.extend_from_slice(b" HTTP/1.1\r\n");
    assert_eq!(http(&line), Http::NotHttp);
}

#[test]
fn an_answer_stays_when_more_bytes_come() {
    let mut numbers = Numbers(7);
    let pieces: &[&[u8]] = &[
        b"GET",
        b" ",
        b"/",
        b"HTTP/1.",
        b"1",
        b"0",
        b"\r",
        b"\n",
        b"PRI * HTTP/2.0\r\n\r\nSM",
        b"\x00",
        b"\xff",
        b"*",
        b"http://a",
        b":",
    ];
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..numbers.below(9) {
            bytes.extend_from_slice(pieces[numbers.below(pieces.len())]);
        }
        let mut earlier = Http::NeedMore;
        for end in 0..=bytes.len() {
            let now = http(&bytes[..end]);
            assert!(
                earlier == Http::NeedMore || earlier == now,
                "{:?} then {now:?} of {}",
                earlier,
                bytes[..end].escape_ascii()
            );
            earlier = now;
        }
    }
}
