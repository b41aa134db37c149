//! Clients that speak HTTP/2 themselves, well and otherwise.

use differential::frame::{ACK, END_HEADERS, END_STREAM, PADDED, PRIORITY, block, kind};

use crate::case::{Case, Plain, Reply, Step, To, answer, fields, ok};
use crate::client::http2::{data, frame, headers, hello};

/// The head of a request for the service `echo`.
pub(super) fn head<'a>(
    method: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut list = vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "echo"),
        (":path", path),
        ("user-agent", "{case}"),
    ];
    list.extend_from_slice(more);
    list
}

fn case(name: &str, mut steps: Vec<Step>) -> Case {
    steps.insert(0, hello());
    Case::new(format!("HTTP/2 {name}"), "echo", steps)
}

/// One stream with these fields.
fn one(name: &str, list: &[(&str, &str)]) -> Case {
    case(name, vec![headers(1, list, true), Step::Streams(1)])
}

pub(super) fn cases() -> Vec<Case> {
    let get = head("GET", "/", &[]);
    let long = "v".repeat(12_000);
    let longest = "v".repeat(16_000);
    let too_long: Vec<(&str, &str)> = (0..6).map(|_| ("x-long", longest.as_str())).collect();
    let post = head("POST", "/", &[]);
    let with_length = head("POST", "/", &[("content-length", "5")]);
    let without = |name: &str| -> Vec<(&str, &str)> {
        get.iter().copied().filter(|(n, _)| *n != name).collect()
    };
    let with = |more: &[(&'static str, &'static str)]| head("GET", "/", more);
    let mut all = vec![
        one("a request", &get),
        one("HEAD", &head("HEAD", "/", &[])),
        one("OPTIONS *", &head("OPTIONS", "*", &[])),
        one("a path with a query", &head("GET", "/a?b=c", &[])),
        one("a path with dots", &head("GET", "/a/../b/./c", &[])),
        one("a path with slashes", &head("GET", "//a//b", &[])),
        one("a path with a fragment", &head("GET", "/a#b", &[])),
        one("a path that is empty", &head("GET", "", &[])),
        one("a path without a slash", &head("GET", "a", &[])),
        one("a path with a space", &head("GET", "/a b", &[])),
        one("a method of lower case", &head("get", "/", &[])),
        one("an unknown method", &head("BREW", "/", &[])),
        one("a method with a space", &head("GET /", "/", &[])),
        one("no method", &without(":method")),
        one("no scheme", &without(":scheme")),
        one("no path", &without(":path")),
        one("no authority", &without(":authority")),
        one(
            "a host instead of an authority",
            &[without(":authority"), vec![("host", "echo")]].concat(),
        ),
        one("a host besides the authority", &with(&[("host", "plain")])),
        one(
            "an unknown authority",
            &[
                vec![(":authority", "unknown.example")],
                without(":authority"),
            ]
            .concat(),
        ),
        one(
            "an authority with a user",
            &[vec![(":authority", "me@echo")], without(":authority")].concat(),
        ),
        one(
            "scheme https",
            &[vec![(":scheme", "https")], without(":scheme")].concat(),
        ),
        one(
            "scheme ftp",
            &[vec![(":scheme", "ftp")], without(":scheme")].concat(),
        ),
        one(
            "an unknown pseudo-header",
            &[vec![(":what", "1")], get.clone()].concat(),
        ),
        one(
            "a pseudo-header after a field",
            &[without(":path"), vec![(":path", "/")]].concat(),
        ),
        one(
            "a pseudo-header twice",
            &[vec![(":path", "/")], get.clone()].concat(),
        ),
        one(
            "a status in a request",
            &[vec![(":status", "200")], get.clone()].concat(),
        ),
        one("a name of upper case", &with(&[("X-Upper", "1")])),
        one("connection", &with(&[("connection", "close")])),
        one("keep-alive", &with(&[("keep-alive", "1")])),
        one("proxy-connection", &with(&[("proxy-connection", "close")])),
        one(
            "transfer-encoding",
            &with(&[("transfer-encoding", "chunked")]),
        ),
        one("upgrade", &with(&[("upgrade", "websocket")])),
        one("te trailers", &with(&[("te", "trailers")])),
        one("te gzip", &with(&[("te", "gzip")])),
        one("a name with an underscore", &with(&[("x_under", "1")])),
        one("an empty name", &with(&[("", "1")])),
        one("an empty value", &with(&[("x-empty", "")])),
        one("spaces around a value", &with(&[("x-spaces", " a ")])),
        one("a CR in a value", &with(&[("x-cr", "a\rb")])),
        one("an LF in a value", &with(&[("x-lf", "a\nb")])),
        one("a NUL in a value", &with(&[("x-nul", "a\0b")])),
        one("a colon in a name", &with(&[("x:colon", "1")])),
        one("cookies", &with(&[("cookie", "a=1"), ("cookie", "b=2")])),
        one(
            "a field twice",
            &with(&[("x-twice", "1"), ("x-twice", "2")]),
        ),
        one("a long field", &head("GET", "/", &[("x-long", &long)])),
        one("x-forwarded-for", &with(&[("x-forwarded-for", "1.2.3.4")])),
        one(
            "content-length without a body",
            &with(&[("content-length", "5")]),
        ),
        one(
            "content-length that is none",
            &with(&[("content-length", "five")]),
        ),
        one(
            "two content-lengths",
            &with(&[("content-length", "0"), ("content-length", "1")]),
        ),
        one("expect", &with(&[("expect", "100-continue")])),
    ];
    let big = block(&[get.clone(), too_long].concat());
    let mut continued = vec![frame(kind::HEADERS, END_STREAM, 1, &big[..16_000])];
    let parts: Vec<&[u8]> = big[16_000..].chunks(16_000).collect();
    for (index, part) in parts.iter().enumerate() {
        let flags = if index + 1 == parts.len() {
            END_HEADERS
        } else {
            0
        };
        continued.push(frame(kind::CONTINUATION, flags, 1, part));
    }
    continued.push(Step::Streams(1));
    let head_block = block(&get);
    let padded = [&[3][..], &head_block, &[0; 3]].concat();
    let prioritised = [&[0, 0, 0, 0, 15][..], &head_block].concat();
    let (first, second) = head_block.split_at(10);
    all.extend([
        case("fields longer than allowed", continued),
        case("padded headers", vec![frame(kind::HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &padded), Step::Streams(1)]),
        case("prioritised headers", vec![frame(kind::HEADERS, END_HEADERS | END_STREAM | PRIORITY, 1, &prioritised), Step::Streams(1)]),
        case("continued headers", vec![
            frame(kind::HEADERS, END_STREAM, 1, first),
            frame(kind::CONTINUATION, END_HEADERS, 1, second),
            Step::Streams(1),
        ]),
        case("a body", vec![headers(1, &post, false), data(1, b"hello", true), Step::Streams(1)]),
        case("a body with its length", vec![headers(1, &with_length, false), data(1, b"hello", true), Step::Streams(1)]),
        case("a body shorter than its length", vec![headers(1, &with_length, false), data(1, b"hell", true), Step::Streams(1)]),
        case("a body longer than its length", vec![headers(1, &with_length, false), data(1, b"hello!", true), Step::Streams(1)]),
        case("a body of empty frames", vec![headers(1, &post, false), data(1, b"", false), data(1, b"a", false), data(1, b"", true), Step::Streams(1)]),
        case("a body with trailers", vec![headers(1, &post, false), data(1, b"hello", false), headers(1, &[("x-trailer", "1")], true), Step::Streams(1)]),
        case("trailers without a body", vec![headers(1, &post, false), headers(1, &[("x-trailer", "1")], true), Step::Streams(1)]),
        case("trailers that do not end", vec![headers(1, &post, false), data(1, b"a", false), headers(1, &[("x-trailer", "1")], false), Step::Streams(1)]),
        case("trailers with a pseudo-header", vec![headers(1, &post, false), headers(1, &[(":path", "/")], true), Step::Streams(1)]),
        case("reset by the client", vec![
            headers(1, &post, false),
            Step::Wait(50),
            frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()),
            Step::Wait(50),
            headers(3, &get, true),
            Step::Streams(1),
        ]),
        case("three at once", vec![headers(1, &get, true), headers(3, &get, true), headers(5, &get, true), Step::Streams(3)])
            .reply(ok()),
        case("one after the other", vec![headers(1, &get, true), Step::Streams(1), headers(3, &get, true), Step::Streams(1)]),
        case("a ping", vec![frame(kind::PING, 0, 0, b"12345678"), headers(1, &get, true), Step::Streams(1)]),
        case("a ping of seven bytes", vec![frame(kind::PING, 0, 0, b"1234567"), Step::Streams(1)]),
        case("an unknown frame", vec![frame(77, 0, 0, b"what"), headers(1, &get, true), Step::Streams(1)]),
        case("an answer to settings that were not sent", vec![frame(kind::SETTINGS, ACK, 0, b""), headers(1, &get, true), Step::Streams(1)]),
        case("data on stream 0", vec![data(0, b"a", false), Step::Streams(1)]),
        case("data on an idle stream", vec![data(1, b"a", false), Step::Streams(1)]),
        case("headers on an even stream", vec![headers(2, &get, true), Step::Streams(1)]),
        case("headers on a lower stream", vec![headers(5, &get, true), Step::Streams(1), headers(3, &get, true), Step::Streams(1)]),
        case("data after the end", vec![headers(1, &get, true), data(1, b"a", true), Step::Streams(1)]),
        case("a window of 0 more", vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), Step::Streams(1)]),
        case("a window too wide", vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), Step::Streams(1)]),
        case("a broken block", vec![frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff]), Step::Streams(1)]),
        case("goaway by the client", vec![headers(1, &get, true), frame(kind::GOAWAY, 0, 0, &[0; 8]), Step::Streams(1), Step::Rest]),
        case("gone while waiting", vec![headers(1, &get, true), Step::Wait(60), Step::Reset, Step::Wait(60)])
            .reply(Reply::Raw(vec![crate::case::Act::ReadBody, crate::case::Act::Rest])),
        case("half closed after the request", vec![headers(1, &get, true), Step::Wait(60), Step::Shut, Step::Streams(1)])
            .reply(Reply::Raw(vec![crate::case::Act::ReadBody, crate::case::Act::Rest])),
        case("CONNECT", vec![headers(1, &[(":method", "CONNECT"), (":authority", "echo:80"), ("user-agent", "{case}")], false), Step::Streams(1)]),
        case("from outside", vec![headers(1, &get, true), Step::Streams(1)]).to(To::Pod("a", 8080)).outside(),
        case("to a port of undeclared protocol", vec![headers(1, &get, true), Step::Streams(1)]).to(To::Service("echo", 81)),
        case("to a service without a sidecar", vec![headers(1, &without(":authority").into_iter().chain([("host", "plain")]).collect::<Vec<_>>(), true), Step::Streams(1)])
            .to(To::Service("plain", 80)),
        one("an answer with trailers", &get).reply(Reply::Plain(Plain {
            status: 200,
            headers: fields(&[("x-a", "1")]),
            body: b"hello".to_vec(),
            trailers: fields(&[("x-trailer", "1")]),
            delay: 0,
        })),
        one("an answer that is large", &get).reply(answer(200, &[], &vec![b'z'; 300_000])),
        one("an answer of 204", &get).reply(answer(204, &[], b"")),
        one("an answer with connection: close", &get).reply(answer(200, &[("connection", "close")], b"ok")),
        one("an interim answer", &get).reply(crate::case::raw("HTTP/1.1 103 Early Hints\r\nx-a: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
        one("an answer that is cut", &get).reply(crate::case::raw_and_close("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")),
        one("no answer", &get).reply(crate::case::raw_and_close("")),
        one("an answer early", &post).reply(answer(403, &[], b"no")),
    ]);
    all.push(Case::new(
        "HTTP/2 a broken preface",
        "echo",
        vec![
            Step::Send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
            Step::Rest,
        ],
    ));
    all.push(Case::new(
        "HTTP/2 no settings after the preface",
        "echo",
        vec![
            Step::Send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
            headers(1, &get, true),
            Step::Rest,
        ],
    ));
    all
}
