//! Time limits and retries of routes.

use crate::case::{Act, Case, Plain, Reply, To, answer, ok};

fn after(milliseconds: u64) -> Reply {
    Reply::Plain(Plain {
        status: 200,
        headers: Vec::new(),
        body: b"late".to_vec(),
        trailers: Vec::new(),
        delay: milliseconds,
    })
}

pub(super) fn cases() -> Vec<Case> {
    let closed = || Reply::Raw(vec![Act::ReadBody, Act::Close]);
    let reset = || Reply::Raw(vec![Act::ReadBody, Act::Reset]);
    let status = |status: u16| answer(status, &[], b"no");
    let mut all = Vec::new();
    let mut case = |name: &str, target: &str, replies: Vec<Reply>| {
        all.push(Case::get(format!("{name} at {target}"), "routes", target).replies(replies));
    };
    for code in [400, 404, 408, 409, 418, 429, 500, 501, 502, 503, 504] {
        for target in ["/y/5xx", "/y/gateway", "/y/4xx", "/y/codes"] {
            let wanted = match target {
                "/y/5xx" | "/y/gateway" => code >= 500,
                "/y/4xx" => code < 500,
                _ => matches!(code, 418 | 500 | 503),
            };
            if wanted {
                case(&format!("{code} once"), target, vec![status(code), ok()]);
            }
        }
    }
    case("503 again and again", "/y/5xx", vec![status(503)]);
    case("503 twice", "/y/5xx", vec![status(503), status(503), ok()]);
    case("500 and then 503", "/y/5xx", vec![status(500), status(503)]);
    case("503", "/y/none", vec![status(503), ok()]);
    case("503", "/y/default", vec![status(503), ok()]);
    case("502", "/y/default", vec![status(502), ok()]);
    case("closed once", "/y/default", vec![closed(), ok()]);
    case("reset once", "/y/default", vec![reset(), ok()]);
    for target in ["/y/5xx", "/y/gateway", "/y/reset", "/y/before", "/y/none"] {
        case("closed once", target, vec![closed(), ok()]);
        case("reset once", target, vec![reset(), ok()]);
        case("closed again and again", target, vec![closed()]);
    }
    case("nobody listens", "/y/connect", vec![ok()]);
    case("no endpoint", "/y/nobody", vec![ok()]);
    case("a late answer", "/t/timeout", vec![after(700)]);
    case("an answer in time", "/t/timeout", vec![after(20)]);
    case("late and then in time", "/t/tries", vec![after(500), ok()]);
    case("late again and again", "/t/tries", vec![after(500)]);
    let send = |text: &str| Act::Send(text.as_bytes().to_vec());
    let slow_body = Reply::Raw(vec![
        Act::ReadBody,
        send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
        Act::Wait(700),
        send("world"),
    ]);
    case("a body that comes late", "/t/timeout", vec![slow_body]);
    let grpc_status = |code: &str| {
        answer(
            200,
            &[("grpc-status", code), ("content-type", "application/grpc")],
            b"",
        )
    };
    case(
        "gRPC unavailable once",
        "/y/grpc",
        vec![grpc_status("14"), ok()],
    );
    case(
        "gRPC cancelled once",
        "/y/grpc",
        vec![grpc_status("1"), ok()],
    );
    case("gRPC internal", "/y/grpc", vec![grpc_status("13"), ok()]);
    let length = "content-length: 5";
    for target in ["/y/5xx", "/y/reset"] {
        let first = if target == "/y/5xx" {
            status(503)
        } else {
            closed()
        };
        let name = format!("a body is sent again at {target}");
        all.push(
            Case::http1(
                name,
                "routes",
                &format!("POST {target}"),
                &[length],
                "hello",
            )
            .replies(vec![first, ok()]),
        );
    }
    let large = "x".repeat(100_000);
    let length = format!("content-length: {}", large.len());
    all.push(
        Case::http1(
            "a large body and 503",
            "routes",
            "POST /y/5xx",
            &[&length],
            &large,
        )
        .replies(vec![status(503), ok()]),
    );
    let asked = ["x-envoy-upstream-rq-timeout-ms: 100"];
    all.push(
        Case::http1(
            "a time limit of the request below the route's",
            "routes",
            "GET /t/timeout",
            &asked,
            "",
        )
        .reply(after(700)),
    );
    let asked = ["x-envoy-max-retries: 1"];
    all.push(
        Case::http1(
            "retries of the request below the route's",
            "routes",
            "GET /y/5xx",
            &asked,
            "",
        )
        .reply(status(503)),
    );
    let asked = ["x-envoy-retry-on: retriable-4xx"];
    all.push(
        Case::http1(
            "a condition of the request besides the route's",
            "routes",
            "GET /y/5xx",
            &asked,
            "",
        )
        .replies(vec![status(409), ok()]),
    );
    let grpc = ["content-type: application/grpc", "content-length: 0"];
    // Its answer comes at once: where both sidecars keep the limit, it is chance which of them ends the request.
    all.push(Case::http1(
        "a time limit that gRPC is told",
        "routes",
        "POST /t/timeout",
        &["x-envoy-upstream-rq-timeout-ms: 100", grpc[0], grpc[1]],
        "",
    ));
    all.push(
        Case::http1(
            "a time limit that gRPC asks of the endpoint's sidecar",
            "a",
            "POST /",
            &["grpc-timeout: 100m", grpc[0], grpc[1]],
            "",
        )
        .to(To::Pod("a", 8080))
        .outside()
        .reply(after(700)),
    );
    all
}
