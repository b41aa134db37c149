//! DestinationRules and PeerAuthentication: TLS modes, limits, ejection, choice.

use crate::case::{Act, Case, Reply, Step, To, answer, http1, ok};
use crate::client::http2::{headers, hello};

pub(super) fn cases() -> Vec<Case> {
    let get = |service: &str| http1("GET /", service, &[], "");
    let slow = || {
        Reply::Raw(vec![
            Act::ReadBody,
            Act::Wait(250),
            Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        ])
    };
    let mut all = vec![
        Case::get("mutual TLS to a port that wants it", "strict", "/"),
        Case::get("no TLS to a port that has none", "without-tls", "/"),
        Case::get("no TLS by rule", "clear", "/"),
        Case::get(
            "no TLS by rule to a port that wants it",
            "clear-strict",
            "/",
        ),
        Case::get(
            "mutual TLS by rule to a port that has none",
            "mutual-off",
            "/",
        ),
        Case::get("TLS by rule to a server without", "tls", "/")
            .reply(Reply::Raw(vec![Act::Wait(50), Act::Close])),
        Case::get("a pod that wants mutual TLS by its address", "echo", "/").to(To::Pod("a", 8082)),
        Case::get("HTTP/2 by rule", "upgraded", "/"),
        Case::get("a subset of one of two", "routes", "/o/v2"),
    ];
    // Connections at once: the first holds the only one, the second waits, the third is one too many.
    let overflow = vec![
        Step::Send(get("pool")),
        Step::Wait(60),
        Step::Aside,
        Step::Send(get("pool")),
        Step::Wait(60),
        Step::Aside,
        Step::Send(get("pool")),
        Step::Answer,
        Step::Back,
        Step::Answer,
        Step::Back,
        Step::Answer,
    ];
    all.push(Case::new("more requests than may wait", "pool", overflow).reply(slow()));
    let call = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a.B/C"),
        (":authority", "requests"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "{case}"),
    ];
    let requests = vec![
        hello(),
        // They end with their fields: one that is answered before it has ended would be reset too.
        headers(1, &call, true),
        Step::Wait(60),
        headers(3, &call, true),
        Step::Streams(2),
    ];
    let late = match answer(
        200,
        &[("grpc-status", "0"), ("content-type", "application/grpc")],
        b"",
    ) {
        Reply::Plain(plain) => Reply::Plain(crate::case::Plain {
            delay: 250,
            ..plain
        }),
        other => other,
    };
    all.push(
        Case::new("more requests of HTTP/2 than allowed", "requests", requests)
            .to(To::Service("requests", 50051))
            .reply(late),
    );
    let again = |service: &'static str| [Step::Send(get(service)), Step::Answer];
    let ejected = [again("ejected"), again("ejected"), again("ejected")].concat();
    all.push(
        Case::new("ejected after two errors", "ejected", ejected).reply(answer(500, &[], b"no")),
    );
    all.push(
        Case::new(
            "not ejected after one error",
            "half",
            [again("half"), again("half")].concat(),
        )
        .replies(vec![answer(500, &[], b"no"), ok()]),
    );
    all
}
