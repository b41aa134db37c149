//! Headers by which proxies tell each other where a request came from and what is asked of them.

use crate::case::{Case, To, answer};

pub(super) fn cases() -> Vec<Case> {
    let uuid = "x-request-id: 0f0e0d0c-0b0a-4908-8706-050403020100";
    let rows: Vec<(&str, Vec<&str>)> = vec![
        ("x-forwarded-for", vec!["x-forwarded-for: 1.2.3.4"]),
        (
            "x-forwarded-for of two",
            vec!["x-forwarded-for: 1.2.3.4, 10.0.0.1"],
        ),
        (
            "x-forwarded-for twice",
            vec!["x-forwarded-for: 1.2.3.4", "x-forwarded-for: 5.6.7.8"],
        ),
        (
            "x-forwarded-for that is no address",
            vec!["x-forwarded-for: unknown"],
        ),
        ("x-forwarded-proto https", vec!["x-forwarded-proto: https"]),
        (
            "x-forwarded-proto of something else",
            vec!["x-forwarded-proto: gopher"],
        ),
        ("x-forwarded-host", vec!["x-forwarded-host: before.example"]),
        ("x-forwarded-port", vec!["x-forwarded-port: 8443"]),
        (
            "x-forwarded-client-cert",
            vec!["x-forwarded-client-cert: By=me;URI=spiffe://evil"],
        ),
        ("x-request-id of UUID form", vec![uuid]),
        ("x-request-id of another form", vec!["x-request-id: mine"]),
        ("x-request-id empty", vec!["x-request-id:"]),
        (
            "x-request-id twice",
            vec!["x-request-id: one", "x-request-id: two"],
        ),
        (
            "traceparent",
            vec![
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "tracestate: a=b",
            ],
        ),
        (
            "b3",
            vec![
                "x-b3-traceid: 463ac35c9f6413ad48485a3953bb6124",
                "x-b3-spanid: a2fb4a1d1a96d312",
                "x-b3-sampled: 1",
            ],
        ),
        (
            "b3 in one",
            vec!["b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"],
        ),
        ("x-client-trace-id", vec!["x-client-trace-id: mine"]),
        ("x-ot-span-context", vec!["x-ot-span-context: mine"]),
    ];
    let mut all = Vec::new();
    for (name, lines) in rows {
        all.push(Case::http1(
            format!("forwarding {name}"),
            "echo",
            "GET /",
            &lines,
            "",
        ));
        let outside = Case::http1(
            format!("forwarding from outside {name}"),
            "echo",
            "GET /",
            &lines,
            "",
        );
        all.push(outside.to(To::Pod("a", 8080)).outside());
    }
    let slow = || match answer(200, &[], b"late") {
        crate::case::Reply::Plain(plain) => crate::case::Reply::Plain(crate::case::Plain {
            delay: 400,
            ..plain
        }),
        other => other,
    };
    for (name, lines) in [
        (
            "x-envoy-upstream-rq-timeout-ms",
            vec!["x-envoy-upstream-rq-timeout-ms: 150"],
        ),
        (
            "x-envoy-upstream-rq-timeout-ms 0",
            vec!["x-envoy-upstream-rq-timeout-ms: 0"],
        ),
        (
            "x-envoy-upstream-rq-timeout-ms that is no number",
            vec!["x-envoy-upstream-rq-timeout-ms: soon"],
        ),
        (
            "x-envoy-upstream-rq-per-try-timeout-ms",
            vec![
                "x-envoy-upstream-rq-per-try-timeout-ms: 150",
                "x-envoy-max-retries: 1",
                "x-envoy-retry-on: 5xx",
            ],
        ),
        (
            "x-envoy-expected-rq-timeout-ms",
            vec!["x-envoy-expected-rq-timeout-ms: 150"],
        ),
        (
            "x-envoy-upstream-rq-timeout-alt-response",
            vec![
                "x-envoy-upstream-rq-timeout-alt-response: 1",
                "x-envoy-upstream-rq-timeout-ms: 150",
            ],
        ),
    ] {
        all.push(
            Case::http1(format!("asked by {name}"), "echo", "GET /", &lines, "").reply(slow()),
        );
    }
    for (name, lines) in [
        ("x-envoy-retry-on", vec!["x-envoy-retry-on: 5xx"]),
        (
            "x-envoy-retry-on and how often",
            vec!["x-envoy-retry-on: 5xx", "x-envoy-max-retries: 3"],
        ),
        ("x-envoy-max-retries 0", vec!["x-envoy-max-retries: 0"]),
        (
            "x-envoy-retriable-status-codes",
            vec![
                "x-envoy-retry-on: retriable-status-codes",
                "x-envoy-retriable-status-codes: 500",
            ],
        ),
        (
            "x-envoy-retriable-header-names",
            vec![
                "x-envoy-retry-on: retriable-headers",
                "x-envoy-retriable-header-names: x-again",
            ],
        ),
        (
            "x-envoy-hedge-on-per-try-timeout",
            vec!["x-envoy-hedge-on-per-try-timeout: true"],
        ),
    ] {
        let refused = || answer(500, &[("x-again", "1")], b"again");
        let replies = vec![refused(), refused(), refused(), answer(200, &[], b"ok")];
        all.push(
            Case::http1(format!("asked by {name}"), "echo", "GET /", &lines, "").replies(replies),
        );
    }
    all
}
