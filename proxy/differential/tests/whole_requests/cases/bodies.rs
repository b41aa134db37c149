//! Bodies, trailers and answers that come early.

use crate::case::{Act, Case, Plain, Reply, Step, answer, fields, http1, ok, raw, raw_and_close};

fn plain(status: u16, body: &[u8], trailers: &[(&str, &str)]) -> Reply {
    Reply::Plain(Plain {
        status,
        headers: Vec::new(),
        body: body.to_vec(),
        trailers: fields(trailers),
        delay: 0,
    })
}

pub(super) fn cases() -> Vec<Case> {
    let chunked = "transfer-encoding: chunked";
    let large = "x".repeat(300_000);
    let length = format!("content-length: {}", large.len());
    let post =
        |name: &str, lines: &[&str], body: &str| Case::http1(name, "echo", "POST /", lines, body);
    let mut all = vec![
        post("body with a length", &["content-length: 5"], "hello"),
        post("body of length 0", &["content-length: 0"], ""),
        post("body that POST does not have", &[], ""),
        post(
            "body in chunks",
            &[chunked],
            "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        post("body of no chunks", &[chunked], "0\r\n\r\n"),
        post(
            "body in chunks with extensions",
            &[chunked],
            "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        ),
        post(
            "body in chunks with trailers",
            &[chunked],
            "5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
        ),
        post(
            "body in chunks of broken size",
            &[chunked],
            "z\r\nhello\r\n0\r\n\r\n",
        ),
        post(
            "body in chunks without their end",
            &[chunked],
            "5\r\nhelloXX0\r\n\r\n",
        ),
        post(
            "body with length and chunks",
            &["content-length: 5", chunked],
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        post(
            "body with two lengths",
            &["content-length: 5", "content-length: 6"],
            "hello",
        ),
        post(
            "body with a length that is none",
            &["content-length: five"],
            "hello",
        ),
        post(
            "body with an encoding that is none",
            &["transfer-encoding: gzip"],
            "hello",
        ),
        post("body that is large", &[&length], &large),
        Case::http1(
            "body of GET",
            "echo",
            "GET /",
            &["content-length: 5"],
            "hello",
        ),
        Case::http1(
            "body of DELETE",
            "echo",
            "DELETE /",
            &["content-length: 5"],
            "hello",
        ),
        Case::http1(
            "body of HEAD",
            "echo",
            "HEAD /",
            &["content-length: 5"],
            "hello",
        ),
        post(
            "body that expects 100",
            &["expect: 100-continue", "content-length: 5"],
            "hello",
        ),
        post(
            "body that expects 100 in chunks",
            &["expect: 100-continue", chunked],
            "5\r\nhello\r\n0\r\n\r\n",
        ),
    ];
    let head = http1("POST /", "echo", &["content-length: 10"], "");
    let chunks = http1("POST /", "echo", &[chunked], "");
    let send = |bytes: &[u8]| Step::Send(bytes.to_vec());
    let waits = http1(
        "POST /",
        "echo",
        &["expect: 100-continue", "content-length: 5"],
        "",
    );
    all.extend([
        Case::new(
            "body after 100",
            "echo",
            vec![
                Step::Send(waits.clone()),
                Step::Bytes(25),
                send(b"hello"),
                Step::Answer,
            ],
        ),
        Case::new(
            "body that was not wanted",
            "echo",
            vec![Step::Send(waits), Step::Answer, Step::Rest],
        )
        .reply(Reply::Raw(vec![Act::Send(
            b"HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
        )])),
        Case::new(
            "body in pieces",
            "echo",
            vec![
                Step::Send(head.clone()),
                Step::Wait(20),
                send(b"hello"),
                Step::Wait(20),
                send(b"world"),
                Step::Answer,
            ],
        ),
        Case::new(
            "body cut by the client",
            "echo",
            vec![
                Step::Send(head.clone()),
                send(b"hello"),
                Step::Wait(50),
                Step::Reset,
                Step::Wait(50),
            ],
        )
        .reply(Reply::Raw(vec![Act::ReadBody])),
        Case::new(
            "body ended by the client",
            "echo",
            vec![
                Step::Send(head.clone()),
                send(b"hello"),
                Step::Wait(50),
                Step::Shut,
                Step::Rest,
            ],
        )
        .reply(Reply::Raw(vec![Act::ReadBody])),
        Case::new(
            "chunks ended by the client",
            "echo",
            vec![
                Step::Send(chunks),
                send(b"5\r\nhello\r\n"),
                Step::Wait(50),
                Step::Shut,
                Step::Rest,
            ],
        )
        .reply(Reply::Raw(vec![Act::ReadBody])),
        Case::new(
            "answer before the body",
            "echo",
            vec![Step::Send(head.clone()), Step::Answer, Step::Rest],
        )
        .reply(Reply::Raw(vec![
            Act::Send(b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno".to_vec()),
            Act::Wait(200),
        ])),
        Case::new(
            "answer before the body's end and the connection closed",
            "echo",
            vec![Step::Send(head), send(b"hello"), Step::Answer, Step::Rest],
        )
        .reply(Reply::Raw(vec![
            Act::Read(5),
            Act::Send(
                b"HTTP/1.1 403 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno".to_vec(),
            ),
            Act::Close,
        ])),
    ]);
    let get =
        |name: &str, reply: Reply| Case::get(format!("answer {name}"), "echo", "/").reply(reply);
    let megabyte = vec![b'y'; 1_000_000];
    all.extend([
        get("without a body", answer(200, &[], b"")),
        get("that is large", answer(200, &[], &megabyte)),
        get("with trailers", plain(200, b"hello", &[("x-trailer", "1")])),
        get("in chunks", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
        get("of no chunks", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        get("in chunks with a broken size", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n")),
        get("in chunks that is cut", raw_and_close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel")),
        get("in chunks that lacks its last", raw_and_close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")),
        get("until the end", raw_and_close("HTTP/1.1 200 OK\r\n\r\nhello")),
        get("of HTTP/1.0 until the end", raw_and_close("HTTP/1.0 200 OK\r\n\r\nhello")),
        get("that is cut", raw_and_close("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")),
        get("that is longer than its length", raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello")),
        get("204 with a body", raw("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello")),
        get("204 in chunks", raw("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        get("304 with a length", raw("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n")),
        get("205", raw("HTTP/1.1 205 Reset\r\ncontent-length: 0\r\n\r\n")),
        get("100 before", raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
        get("102 before", raw("HTTP/1.1 102 Processing\r\nx-a: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
        get("103 before", raw("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
        get("101 unasked", raw("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")),
        get("in pieces", Reply::Raw(vec![
            Act::ReadBody,
            Act::Send(b"HTTP/1.1 200 OK\r\ncontent-len".to_vec()),
            Act::Wait(30),
            Act::Send(b"gth: 5\r\n\r\nhe".to_vec()),
            Act::Wait(30),
            Act::Send(b"llo".to_vec()),
        ])),
        Case::http1("answer to HEAD with a length", "echo", "HEAD /", &[], "").reply(answer(200, &[("content-length", "5")], b"")),
        Case::http1("answer to HEAD in chunks", "echo", "HEAD /", &[], "")
            .reply(raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")),
        Case::http1("answer to HEAD with a body", "echo", "HEAD /", &[], "")
            .reply(raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")),
        Case::http1("answer to HEAD without a length", "echo", "HEAD /", &[], "").reply(raw("HTTP/1.1 200 OK\r\n\r\n")),
        Case::get("two answers to two requests", "echo", "/").then(Step::Send(http1("GET /2", "echo", &[], ""))).then(Step::Answer)
            .replies(vec![answer(200, &[], b"one"), answer(201, &[], b"two")]),
        Case::get("an answer after one that was cut", "echo", "/").then(Step::Connect).then(Step::Send(http1("GET /2", "echo", &[], ""))).then(Step::Answer)
            .replies(vec![raw_and_close("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), ok()]),
    ]);
    all
}
