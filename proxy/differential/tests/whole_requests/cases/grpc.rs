//! gRPC: what its library sends and what its servers answer, sound and otherwise.

use crate::case::{Case, H2, Reply, Step, To, fields, ok};
use crate::client::http2::{data, headers, hello};

const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";

fn call<'a>(host: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut list = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/package.Service/Method"),
        (":authority", host),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "{case}"),
    ];
    list.extend_from_slice(more);
    list
}

fn to(service: &'static str, name: &str, more: &[(&str, &str)]) -> Case {
    let steps = vec![
        hello(),
        headers(1, &call(service, more), false),
        data(1, MESSAGE, true),
        Step::Streams(1),
    ];
    Case::new(format!("gRPC {name}"), service, steps)
        .to(To::Service(service, 50051))
        .reply(sound())
}

fn head(more: &[(&str, &str)], last: bool) -> H2 {
    let list = [
        &[(":status", "200"), ("content-type", "application/grpc")],
        more,
    ]
    .concat();
    H2::Headers(fields(&list), last)
}

fn sound() -> Reply {
    Reply::Frames(vec![
        head(&[], false),
        H2::Data(MESSAGE.to_vec(), false),
        H2::Headers(fields(&[("grpc-status", "0")]), true),
    ])
}

fn late() -> Reply {
    Reply::Frames(vec![
        H2::Wait(400),
        head(&[], false),
        H2::Headers(fields(&[("grpc-status", "0")]), true),
    ])
}

pub(super) fn cases() -> Vec<Case> {
    let echo = |name: &str, acts: Vec<H2>| to("echo", name, &[]).reply(Reply::Frames(acts));
    let trailers = |list: &[(&str, &str)]| H2::Headers(fields(list), true);
    let mut all = vec![
        to("echo", "a call", &[]),
        to("plain", "a call without a sidecar", &[]),
        to("empty", "no endpoint", &[]),
        to("refused-plain", "nobody listens", &[]),
        to(
            "echo",
            "of another content type",
            &[("content-type", "application/grpc-web")],
        ),
        to(
            "echo",
            "compressed",
            &[("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")],
        ),
        to("echo", "with a timeout", &[("grpc-timeout", "5S")]),
        to(
            "echo",
            "with a timeout that is none",
            &[("grpc-timeout", "soon")],
        ),
        to(
            "echo",
            "with Envoy's timeout",
            &[("x-envoy-upstream-rq-timeout-ms", "150")],
        )
        .reply(late()),
        to("fault", "to a service with faults for other paths", &[]),
        echo(
            "trailers alone",
            vec![head(
                &[("grpc-status", "5"), ("grpc-message", "not found")],
                true,
            )],
        ),
        echo(
            "a message with percent signs",
            vec![
                head(&[], false),
                trailers(&[("grpc-status", "13"), ("grpc-message", "a%20b%")]),
            ],
        ),
        echo(
            "an error in trailers",
            vec![
                head(&[], false),
                H2::Data(MESSAGE.to_vec(), false),
                trailers(&[("grpc-status", "13")]),
            ],
        ),
        echo(
            "no status",
            vec![head(&[], false), H2::Data(MESSAGE.to_vec(), true)],
        ),
        echo(
            "trailers without a status",
            vec![head(&[], false), trailers(&[("x-a", "1")])],
        ),
        echo(
            "a status that is none",
            vec![head(&[], false), trailers(&[("grpc-status", "bad")])],
        ),
        echo(
            "a reset",
            vec![
                head(&[], false),
                H2::Data(MESSAGE.to_vec(), false),
                H2::Rst(2),
            ],
        ),
        echo("a reset at once", vec![H2::Rst(2)]),
        echo("cancelled by the server", vec![H2::Rst(8)]),
        echo(
            "reset without an error",
            vec![
                head(&[], false),
                H2::Data(MESSAGE.to_vec(), false),
                H2::Rst(0),
            ],
        ),
        echo("closed", vec![head(&[], false), H2::Close]),
        echo("closed at once", vec![H2::Close]),
        echo(
            "goaway without the stream",
            vec![H2::GoAway(0, 0), H2::Close],
        ),
        echo(
            "goaway with the stream",
            vec![
                H2::GoAway(0x7fff_ffff, 0),
                head(&[], false),
                H2::Data(MESSAGE.to_vec(), false),
                trailers(&[("grpc-status", "0")]),
            ],
        ),
        echo(
            "a broken frame",
            vec![
                H2::Raw(b"\0\0\x01\x06\0\0\0\0\0x".to_vec()),
                H2::Wait(50),
                H2::Close,
            ],
        ),
        echo(
            "no status in the head",
            vec![H2::Headers(
                fields(&[("content-type", "application/grpc")]),
                true,
            )],
        ),
        echo(
            "a name of upper case in the head",
            vec![head(&[("X-Upper", "1")], true)],
        ),
        echo(
            "connection in the head",
            vec![head(&[("connection", "close"), ("grpc-status", "0")], true)],
        ),
        echo(
            "an interim head",
            vec![
                H2::Headers(fields(&[(":status", "103"), ("x-a", "1")]), false),
                head(&[], false),
                trailers(&[("grpc-status", "0")]),
            ],
        ),
        echo(
            "longer than its length",
            vec![
                head(&[("content-length", "2")], false),
                H2::Data(MESSAGE.to_vec(), true),
            ],
        ),
        echo(
            "shorter than its length",
            vec![
                head(&[("content-length", "20")], false),
                H2::Data(MESSAGE.to_vec(), true),
            ],
        ),
        echo(
            "an answer that is early",
            vec![H2::Early, head(&[("grpc-status", "7")], true)],
        ),
    ];
    for code in [1, 2, 4, 7, 8, 14, 16] {
        let code = code.to_string();
        all.push(echo(
            &format!("status {code}"),
            vec![head(&[("grpc-status", &code)], true)],
        ));
    }
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        let status = status.to_string();
        all.push(echo(
            &format!("HTTP status {status}"),
            vec![H2::Headers(fields(&[(":status", &status)]), true)],
        ));
    }
    let refused = Reply::Frames(vec![H2::Rst(7)]);
    all.push(to("echo", "refused, then taken", &[]).replies(vec![refused.clone(), sound()]));
    all.push(to("echo", "refused again and again", &[]).reply(refused));
    let unavailable = Reply::Frames(vec![head(&[("grpc-status", "14")], true)]);
    all.push(to("echo", "unavailable, then not", &[]).replies(vec![unavailable, sound()]));
    let stream = vec![
        hello(),
        headers(1, &call("echo", &[]), false),
        data(1, MESSAGE, false),
        Step::Wait(20),
        data(1, MESSAGE, false),
        data(1, b"", true),
        Step::Streams(1),
    ];
    all.push(
        Case::new("gRPC a stream of messages", "echo", stream)
            .to(To::Service("echo", 50051))
            .reply(sound()),
    );
    let http1 = Case::http1(
        "gRPC by HTTP/1",
        "echo",
        "POST /a.B/C",
        &["content-type: application/grpc", "content-length: 0"],
        "",
    );
    all.push(http1.to(To::Service("echo", 50051)).reply(ok()));
    let empty = Case::http1(
        "gRPC by HTTP/1 and no endpoint",
        "empty",
        "POST /a.B/C",
        &["content-type: application/grpc", "content-length: 0"],
        "",
    );
    all.push(empty);
    let plain = Case::get("a request of HTTP/1 to a port of gRPC", "echo", "/")
        .to(To::Service("echo", 50051));
    all.push(plain);
    all
}
