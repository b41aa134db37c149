//! Headers of requests and answers.

use crate::case::{Case, answer, raw};

pub(super) fn cases() -> Vec<Case> {
    let long = format!("x-long: {}", "v".repeat(20_000));
    let longest = format!("x-longest: {}", "v".repeat(70_000));
    let many: Vec<String> = (0..90).map(|n| format!("x-many-{n}: {n}")).collect();
    let more: Vec<String> = (0..130).map(|n| format!("x-more-{n}: {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let rows: Vec<(&str, Vec<&str>)> = vec![
        ("of upper case", vec!["X-Upper: Value"]),
        ("twice", vec!["x-twice: 1", "x-twice: 2"]),
        ("empty", vec!["x-empty:"]),
        ("with spaces around", vec!["x-spaces:  \t a \t "]),
        ("with an underscore", vec!["x_under: 1"]),
        ("with odd characters in its name", vec!["x!#$%&'*+.^`|~: 1"]),
        ("with bytes above ASCII", vec!["x-high: \u{c3}\u{a9}"]),
        ("long", vec![&long]),
        ("longer than allowed", vec![&longest]),
        ("many", many),
        ("more than allowed", more),
        ("cookie", vec!["cookie: a=1; b=2"]),
        ("cookie twice", vec!["cookie: a=1", "cookie: b=2"]),
        (
            "connection with a token",
            vec!["connection: x-gone", "x-gone: 1"],
        ),
        (
            "connection close and a token",
            vec!["connection: close, x-gone", "x-gone: 1"],
        ),
        (
            "keep-alive",
            vec!["keep-alive: timeout=5", "connection: keep-alive"],
        ),
        ("proxy-connection", vec!["proxy-connection: keep-alive"]),
        ("te trailers", vec!["te: trailers", "connection: te"]),
        ("te gzip", vec!["te: gzip", "connection: te"]),
        ("trailer", vec!["trailer: x-a"]),
        (
            "proxy-authorization",
            vec!["proxy-authorization: Basic YTpi"],
        ),
        ("authorization", vec!["authorization: Bearer a.b.c"]),
        ("accept-encoding", vec!["accept-encoding: gzip, br"]),
        ("range", vec!["range: bytes=0-1"]),
        ("if-none-match", vec!["if-none-match: \"a\""]),
        ("expect of something else", vec!["expect: something"]),
        ("max-forwards", vec!["max-forwards: 0"]),
        ("via", vec!["via: 1.1 before"]),
        ("forwarded", vec!["forwarded: for=1.2.3.4"]),
        (
            "upgrade-insecure-requests",
            vec!["upgrade-insecure-requests: 1"],
        ),
        ("upgrade without connection", vec!["upgrade: websocket"]),
        ("a second user agent", vec!["user-agent: second"]),
        (
            "a header of the mesh's own",
            vec![
                "x-envoy-peer-metadata-id: me",
                "x-envoy-peer-metadata: bm8=",
            ],
        ),
        ("x-envoy-internal", vec!["x-envoy-internal: true"]),
        (
            "x-envoy-decorator-operation",
            vec!["x-envoy-decorator-operation: mine"],
        ),
        (
            "x-envoy-original-path",
            vec!["x-envoy-original-path: /before"],
        ),
        ("x-envoy-attempt-count", vec!["x-envoy-attempt-count: 7"]),
        (
            "x-envoy-external-address",
            vec!["x-envoy-external-address: 1.2.3.4"],
        ),
        (
            "x-envoy-downstream-service-cluster",
            vec!["x-envoy-downstream-service-cluster: mine"],
        ),
        ("x-envoy-force-trace", vec!["x-envoy-force-trace: true"]),
        (
            "x-envoy-original-dst-host",
            vec!["x-envoy-original-dst-host: 10.244.0.5:8080"],
        ),
        (
            "x-envoy-is-timeout-retry",
            vec!["x-envoy-is-timeout-retry: true"],
        ),
    ];
    let mut all: Vec<Case> = rows
        .into_iter()
        .map(|(name, lines)| Case::http1(format!("header {name}"), "echo", "GET /", &lines, ""))
        .collect();
    let answers: [(&str, &[(&str, &str)]); 15] = [
        ("server", &[("server", "application")]),
        ("date", &[("date", "yesterday")]),
        ("connection close", &[("connection", "close")]),
        (
            "connection with a token",
            &[("connection", "x-gone"), ("x-gone", "1")],
        ),
        ("keep-alive", &[("keep-alive", "timeout=5")]),
        ("of upper case", &[("X-Upper", "Value")]),
        ("twice", &[("set-cookie", "a=1"), ("set-cookie", "b=2")]),
        ("empty", &[("x-empty", "")]),
        (
            "x-envoy-upstream-service-time",
            &[("x-envoy-upstream-service-time", "5000")],
        ),
        ("x-envoy-overloaded", &[("x-envoy-overloaded", "true")]),
        ("x-envoy-ratelimited", &[("x-envoy-ratelimited", "true")]),
        ("x-request-id", &[("x-request-id", "of the application")]),
        ("proxy-authenticate", &[("proxy-authenticate", "Basic")]),
        ("upgrade", &[("upgrade", "h2c")]),
        (
            "x-envoy-immediate-health-check-fail",
            &[("x-envoy-immediate-health-check-fail", "true")],
        ),
    ];
    for (name, list) in answers {
        let name = format!("header of an answer {name}");
        all.push(Case::get(name, "echo", "/").reply(answer(200, list, b"ok")));
    }
    for (name, bytes) in [
        (
            "without a length",
            "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
        ),
        (
            "with a space before the colon",
            "HTTP/1.1 200 OK\r\nx-a : 1\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "with bytes above ASCII",
            "HTTP/1.1 200 OK\r\nx-a: \u{e9}\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "with a NUL",
            "HTTP/1.1 200 OK\r\nx-a: \0\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "without a name",
            "HTTP/1.1 200 OK\r\n: 1\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "without a reason",
            "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "of HTTP/1.0",
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "of HTTP/2.0",
            "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "with lines that end in LF",
            "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        ),
        ("that is none", "hello\r\n\r\n"),
        (
            "with two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "with two equal lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "with length and chunks",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        ),
        (
            "with a negative length",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ),
        (
            "with an unknown encoding",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nab",
        ),
    ] {
        all.push(Case::get(format!("head of an answer {name}"), "echo", "/").reply(raw(bytes)));
    }
    let long = format!(
        "HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n",
        "v".repeat(70_000)
    );
    all.push(Case::get("head of an answer longer than allowed", "echo", "/").reply(raw(long)));
    all
}
