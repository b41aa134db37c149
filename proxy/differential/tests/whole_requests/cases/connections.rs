//! How connections of HTTP/1 are kept, closed, filled with more than one request, and left.

use crate::case::{Act, Case, Reply, Step, To, answer, http1, ok, raw};

pub(super) fn cases() -> Vec<Case> {
    let line = |first: &str, rest: &str| {
        format!("{first}\r\nhost: echo\r\nuser-agent: {{case}}\r\n{rest}\r\n")
    };
    let send = |text: &str| Step::Send(text.as_bytes().to_vec());
    let get = http1("GET /", "echo", &[], "");
    let two = [
        http1("GET /1", "echo", &[], ""),
        http1("GET /2", "echo", &[], ""),
    ]
    .concat();
    let post_and_get = [
        http1("POST /1", "echo", &["content-length: 3"], "abc"),
        http1("GET /2", "echo", &["connection: close"], ""),
    ]
    .concat();
    let mut pieces: Vec<Step> = [
        "GE",
        "T / HTTP/1",
        ".1\r",
        "\nhost: echo\r\nuser-agent: {case}\r\n\r",
        "\n",
    ]
    .into_iter()
    .flat_map(|piece| [send(piece), Step::Wait(10)])
    .collect();
    pieces.push(Step::Answer);
    vec![
        Case::http1(
            "connection: close",
            "echo",
            "GET /",
            &["connection: close"],
            "",
        )
        .then(Step::Rest),
        Case::http1(
            "connection: Close",
            "echo",
            "GET /",
            &["connection: Close"],
            "",
        )
        .then(Step::Rest),
        Case::http1(
            "connection: keep-alive",
            "echo",
            "GET /",
            &["connection: keep-alive"],
            "",
        ),
        Case::http1(
            "proxy-connection: close",
            "echo",
            "GET /",
            &["proxy-connection: close"],
            "",
        ),
        Case::bytes("HTTP/1.0", "echo", &line("GET / HTTP/1.0", "")).then(Step::Rest),
        Case::bytes(
            "HTTP/1.0 kept",
            "echo",
            &line("GET / HTTP/1.0", "connection: keep-alive\r\n"),
        ),
        Case::bytes(
            "HTTP/1.0 without a host",
            "echo",
            "GET / HTTP/1.0\r\nuser-agent: {case}\r\n\r\n",
        )
        .then(Step::Rest),
        Case::bytes("HTTP/0.9", "echo", "GET /\r\n"),
        Case::bytes("HTTP/1.2", "echo", &line("GET / HTTP/1.2", "")),
        Case::bytes("HTTP/2.0 in one line", "echo", &line("GET / HTTP/2.0", "")),
        Case::bytes("HTTP/3.0", "echo", &line("GET / HTTP/3.0", "")),
        Case::bytes("no version", "echo", "GET / \r\nhost: echo\r\n\r\n"),
        Case::bytes("lower case method", "echo", &line("get / HTTP/1.1", "")),
        Case::bytes(
            "empty lines first",
            "echo",
            &format!("\r\n\r\n{}", line("GET / HTTP/1.1", "")),
        ),
        Case::bytes(
            "lines that end in LF",
            "echo",
            "GET / HTTP/1.1\nhost: echo\nuser-agent: {case}\n\n",
        ),
        Case::bytes(
            "a space before the colon",
            "echo",
            &line("GET / HTTP/1.1", "x-a : 1\r\n"),
        ),
        Case::bytes(
            "a line without a colon",
            "echo",
            &line("GET / HTTP/1.1", "x-a\r\n"),
        ),
        Case::bytes(
            "a folded line",
            "echo",
            &line("GET / HTTP/1.1", "x-a: 1\r\n 2\r\n"),
        ),
        Case::bytes(
            "a NUL in a value",
            "echo",
            &line("GET / HTTP/1.1", "x-a: \0\r\n"),
        ),
        Case::bytes(
            "a bare CR in a value",
            "echo",
            &line("GET / HTTP/1.1", "x-a: 1\r2\r\n"),
        ),
        Case::bytes(
            "a control character in a value",
            "echo",
            &line("GET / HTTP/1.1", "x-a: \x01\r\n"),
        ),
        Case::bytes("garbage", "echo", "what\r\n\r\n"),
        Case::bytes(
            "garbage on a port without a sidecar",
            "plain",
            "what\r\n\r\n",
        ),
        Case::bytes("a TLS hello", "echo", "\x16\x03\x01\0\x05\x01\0\0\x01\0"),
        Case::bytes(
            "broken after a good beginning",
            "echo",
            &line("GET / HTTP/1.1", "x-a: 1\r\n: \r\n"),
        ),
        Case::new("no bytes at all", "echo", vec![Step::Shut, Step::Rest]),
        Case::new(
            "half a head",
            "echo",
            vec![
                send("GET / HTTP/1.1\r\nhost: ec"),
                Step::Wait(30),
                Step::Shut,
                Step::Rest,
            ],
        ),
        Case::new(
            "half a first line",
            "echo",
            vec![send("GET /"), Step::Wait(30), Step::Shut, Step::Rest],
        ),
        Case::new(
            "half a head and gone",
            "echo",
            vec![
                send("GET / HTTP/1.1\r\nhost: ec"),
                Step::Wait(30),
                Step::Reset,
            ],
        ),
        Case::new("in pieces", "echo", pieces),
        Case::new(
            "two requests at once",
            "echo",
            vec![Step::Send(two.clone()), Step::Answer, Step::Answer],
        )
        .replies(vec![answer(200, &[], b"one"), answer(200, &[], b"two")]),
        Case::new(
            "two requests at once, the first one slow",
            "echo",
            vec![Step::Send(two), Step::Answer, Step::Answer],
        )
        .replies(vec![
            Reply::Raw(vec![
                Act::ReadBody,
                Act::Wait(80),
                Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none".to_vec()),
            ]),
            answer(200, &[], b"two"),
        ]),
        Case::new(
            "a body and a last request at once",
            "echo",
            vec![
                Step::Send(post_and_get),
                Step::Answer,
                Step::Answer,
                Step::Rest,
            ],
        ),
        Case::new(
            "a request and half a one",
            "echo",
            vec![
                Step::Send([get.clone(), b"GET / HTTP/1.1\r\nho".to_vec()].concat()),
                Step::Answer,
                Step::Shut,
                Step::Rest,
            ],
        ),
        Case::new(
            "a request and garbage",
            "echo",
            vec![
                Step::Send([get.clone(), b"\x01\x02\r\n\r\n".to_vec()].concat()),
                Step::Answer,
                Step::Answer,
                Step::Rest,
            ],
        ),
        Case::new(
            "half closed after the request",
            "echo",
            vec![
                Step::Send(get.clone()),
                Step::Wait(60),
                Step::Shut,
                Step::Answer,
            ],
        )
        .reply(Reply::Raw(vec![
            Act::ReadBody,
            Act::Wait(120),
            Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        ])),
        Case::new(
            "gone while waiting",
            "echo",
            vec![
                Step::Send(get.clone()),
                Step::Wait(60),
                Step::Reset,
                Step::Wait(60),
            ],
        )
        .reply(Reply::Raw(vec![Act::ReadBody, Act::Rest])),
        Case::new(
            "gone within the answer",
            "echo",
            vec![
                Step::Send(get.clone()),
                Step::Bytes(20),
                Step::Reset,
                Step::Wait(60),
            ],
        )
        .reply(Reply::Raw(vec![
            Act::ReadBody,
            Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec()),
            Act::Rest,
        ])),
        Case::new(
            "an answer with connection: close, then another request",
            "echo",
            vec![
                Step::Send(get.clone()),
                Step::Answer,
                Step::Send(get.clone()),
                Step::Answer,
            ],
        )
        .replies(vec![
            raw("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            ok(),
        ]),
        Case::new(
            "two on one connection to a server of single use",
            "single-use",
            vec![
                Step::Send(http1("GET /", "single-use", &[], "")),
                Step::Answer,
                Step::Send(http1("GET /", "single-use", &[], "")),
                Step::Answer,
            ],
        ),
        Case::new(
            "from outside, two at once",
            "echo",
            vec![
                Step::Send([get.clone(), get.clone()].concat()),
                Step::Answer,
                Step::Answer,
            ],
        )
        .to(To::Pod("a", 8080))
        .outside(),
        Case::bytes(
            "from outside, HTTP/1.0",
            "echo",
            &line("GET / HTTP/1.0", ""),
        )
        .to(To::Pod("a", 8080))
        .outside(),
        Case::bytes("from outside, garbage", "echo", "what\r\n\r\n")
            .to(To::Pod("a", 8080))
            .outside(),
        Case::bytes(
            "from outside, broken",
            "echo",
            &line("GET / HTTP/1.1", ": 1\r\n"),
        )
        .to(To::Pod("a", 8080))
        .outside(),
        Case::new(
            "from outside, gone while waiting",
            "echo",
            vec![Step::Send(get), Step::Wait(60), Step::Reset, Step::Wait(60)],
        )
        .to(To::Pod("a", 8080))
        .outside()
        .reply(Reply::Raw(vec![Act::ReadBody, Act::Rest])),
    ]
}
