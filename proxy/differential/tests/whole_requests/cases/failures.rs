//! Applications that are not there, go away or say nothing sensible.

use std::net::Ipv4Addr;

use crate::case::{Act, Case, Reply, Step, To, http1, ok};

pub(super) fn cases() -> Vec<Case> {
    let get = |name: &str, reply: Vec<Act>| Case::get(name, "echo", "/").reply(Reply::Raw(reply));
    let post = http1("POST /", "echo", &["content-length: 5"], "hello");
    let send = |text: &str| Act::Send(text.as_bytes().to_vec());
    let mut all = vec![
        Case::get("no endpoint", "empty", "/"),
        Case::http1(
            "no endpoint and a body",
            "empty",
            "POST /",
            &["content-length: 5"],
            "hello",
        ),
        Case::http1("no endpoint and HEAD", "empty", "HEAD /", &[], ""),
        Case::http1(
            "no endpoint and expect",
            "empty",
            "POST /",
            &["expect: 100-continue", "content-length: 5"],
            "",
        )
        .then(Step::Rest),
        Case::get("nobody listens behind a sidecar", "refused", "/"),
        Case::get("nobody listens, no sidecar", "refused-plain", "/"),
        Case::http1(
            "nobody listens and a body",
            "refused-plain",
            "POST /",
            &["content-length: 5"],
            "hello",
        ),
        Case::get("unknown host of a known port", "echo", "/")
            .to(To::Address(Ipv4Addr::new(10, 96, 7, 7), 80)),
        Case::get("unknown host of an unknown port", "echo", "/")
            .over()
            .to(To::Address(Ipv4Addr::new(10, 96, 7, 7), 12345)),
        Case::get(
            "unknown address of a known port that answers",
            "plain.example",
            "/",
        )
        .to(To::Pod("plain", 8080)),
        get("closed without an answer", vec![Act::ReadBody, Act::Close]),
        get("closed before the request is read", vec![Act::Close]),
        get("reset without an answer", vec![Act::ReadBody, Act::Reset]),
        get(
            "closed within the head",
            vec![
                Act::ReadBody,
                send("HTTP/1.1 200 OK\r\ncontent-"),
                Act::Wait(30),
                Act::Close,
            ],
        ),
        get(
            "reset within the head",
            vec![
                Act::ReadBody,
                send("HTTP/1.1 200 OK\r\ncontent-"),
                Act::Wait(30),
                Act::Reset,
            ],
        ),
        get(
            "closed within the body",
            vec![
                Act::ReadBody,
                send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
                Act::Wait(30),
                Act::Close,
            ],
        ),
        get(
            "reset within the body",
            vec![
                Act::ReadBody,
                send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
                Act::Wait(30),
                Act::Reset,
            ],
        ),
        get(
            "reset within a body to the end",
            vec![
                Act::ReadBody,
                send("HTTP/1.1 200 OK\r\n\r\nhello"),
                Act::Wait(30),
                Act::Reset,
            ],
        ),
        get(
            "closed after an interim answer",
            vec![
                Act::ReadBody,
                send("HTTP/1.1 103 Early Hints\r\n\r\n"),
                Act::Wait(30),
                Act::Close,
            ],
        ),
        get(
            "an answer twice",
            vec![
                Act::ReadBody,
                send(
                    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno",
                ),
            ],
        ),
        get(
            "TLS where none is expected",
            vec![
                Act::ReadBody,
                Act::Send(b"\x15\x03\x01\0\x02\x02\x0a".to_vec()),
            ],
        ),
        get(
            "HTTP/2 where none is expected",
            vec![
                Act::ReadBody,
                Act::Send(b"\0\0\0\x04\0\0\0\0\0".to_vec()),
                Act::Wait(50),
                Act::Close,
            ],
        ),
    ];
    all.extend([
        Case::new(
            "a body that is reset after its half",
            "echo",
            vec![Step::Send(post.clone()), Step::Answer],
        )
        .reply(Reply::Raw(vec![Act::Read(2), Act::Reset])),
        Case::new(
            "closed after the body",
            "echo",
            vec![Step::Send(post), Step::Answer],
        )
        .reply(Reply::Raw(vec![Act::ReadBody, Act::Close])),
        Case::get("closed without an answer, then not", "echo", "/")
            .replies(vec![Reply::Raw(vec![Act::ReadBody, Act::Close]), ok()]),
        Case::get("closed without an answer, no sidecar", "plain", "/")
            .reply(Reply::Raw(vec![Act::ReadBody, Act::Close])),
        Case::get("reset without an answer, no sidecar", "plain", "/")
            .reply(Reply::Raw(vec![Act::ReadBody, Act::Reset])),
        Case::get("closed within the body, no sidecar", "plain", "/").reply(Reply::Raw(vec![
            Act::ReadBody,
            send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
            Act::Wait(30),
            Act::Close,
        ])),
        Case::get("garbage, no sidecar", "plain", "/")
            .reply(Reply::Raw(vec![Act::ReadBody, send("garbage\r\n\r\n")])),
        Case::get("a slow answer", "echo", "/").reply(Reply::Raw(vec![
            Act::ReadBody,
            Act::Wait(150),
            send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ])),
    ]);
    all
}
