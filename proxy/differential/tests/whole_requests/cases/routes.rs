//! Routes of VirtualServices: matches, rewrites, redirects, answers of their own, headers, CORS, faults, destinations.

use crate::case::{Case, answer};

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut get = |target: &str, lines: &[&str]| {
        let name = format!("route of {target} {}", lines.join(" "));
        all.push(Case::http1(
            name,
            "routes",
            &format!("GET {target}"),
            lines,
            "",
        ));
    };
    for target in [
        "/m/exact",
        "/m/exact?a=b",
        "/m/exact/",
        "/m/r12/x",
        "/m/r12/x?q",
        "/m/r/x",
        "/m/case",
        "/M/CASE/more",
        "/m/whole",
        "/M/wholes",
        "/m/q",
        "/m/q?a=1",
        "/m/q?a=2",
        "/m/q?a=abc",
        "/m/q?b=1&a=1",
        "/m/q?a=1&a=abc",
        "/m/q?a",
        "/m/q?b=xyz",
        "/m/q?b=%78",
        "/m/s",
        "/m/port",
        "/m/labels",
        "/m/others",
        "/m/e1",
        "/m/e2/x",
        "/nothing",
        "/m/./exact",
        "/x/../m/exact",
        "/m//exact",
        "/m/%65xact",
        "/w/prefix",
        "/w/prefix/",
        "/w/prefix/a?b",
        "/w/prefixed",
        "/w/slash/a",
        "/w/slash/",
        "/w/exact",
        "/w/exact?q",
        "/w/regex/a/b/c",
        "/w/regex/a/b?c",
        "/w/regex/a",
        "/w/authority",
        "/w/both/a",
        "/r/uri",
        "/r/uri/a?b",
        "/r/authority/a?b",
        "/r/port/a",
        "/r/scheme/a?b",
        "/r/code",
        "/r/derived/a",
        "/r/all",
        "/r/headers",
        "/d/text",
        "/d/empty",
        "/d/ok",
        "/h/host",
        "/o/heavy",
        "/o/v2",
        "/o/v3",
        "/o/v4",
        "/o/unknown",
        "/o/empty",
        "/o/plain",
    ] {
        get(target, &[]);
    }
    for lines in [
        &["x-m: one"][..],
        &["x-m: two"],
        &["x-m: three"],
        &["x-m: four"],
        &["x-p: 1"],
        &["x-p:"],
        &["x-q: 1"],
        &["x-q: two"],
        &["x-q: two", "x-p: 1"],
        &["x-m: one", "x-m: two"],
    ] {
        get("/m/h", lines);
    }
    get("/m/a", &["host: routes.default"]);
    get("/m/a", &["host: routes.default.svc.cluster.local"]);
    get("/m/s", &["x-forwarded-proto: https"]);
    get("/r/uri", &["x-forwarded-proto: https"]);
    get("/r/authority", &["host: routes:80"]);
    get("/r/port", &["host: routes:80"]);
    get("/h/operators", &["x-a: A", "x-b: B"]);
    get("/h/operators", &[]);
    for origin in [
        "https://a.example",
        "https://x.b.example",
        "https://c.example",
        "null",
        "HTTPS://A.EXAMPLE",
    ] {
        let line = format!("origin: {origin}");
        get("/c/one", &[&line]);
        get("/c/any", &[&line]);
    }
    for (name, method) in [
        ("PUT", "PUT"),
        ("POST", "POST"),
        ("GET", "GET"),
        ("HEAD", "HEAD"),
        ("put", "put"),
    ] {
        all.push(Case::http1(
            format!("route by method {name}"),
            "routes",
            &format!("{method} /m/m"),
            &[],
            "",
        ));
    }
    for (name, target, lines) in [
        (
            "of a known origin",
            "/c/one",
            vec![
                "origin: https://a.example",
                "access-control-request-method: POST",
            ],
        ),
        (
            "of a known origin with headers",
            "/c/one",
            vec![
                "origin: https://a.example",
                "access-control-request-method: POST",
                "access-control-request-headers: x-a",
            ],
        ),
        (
            "of an unknown origin",
            "/c/one",
            vec![
                "origin: https://c.example",
                "access-control-request-method: POST",
            ],
        ),
        (
            "of a method that is not allowed",
            "/c/one",
            vec![
                "origin: https://a.example",
                "access-control-request-method: DELETE",
            ],
        ),
        (
            "without a method",
            "/c/one",
            vec!["origin: https://a.example"],
        ),
        (
            "without an origin",
            "/c/one",
            vec!["access-control-request-method: POST"],
        ),
        (
            "of any origin",
            "/c/any",
            vec![
                "origin: https://anything",
                "access-control-request-method: PUT",
            ],
        ),
        (
            "where there is no CORS",
            "/m/exact",
            vec![
                "origin: https://a.example",
                "access-control-request-method: POST",
            ],
        ),
    ] {
        all.push(Case::http1(
            format!("preflight {name}"),
            "routes",
            &format!("OPTIONS {target}"),
            &lines,
            "",
        ));
    }
    for (target, line) in [
        ("/h/all", "x-remove: 1"),
        ("/h/all", "x-set: before"),
        ("/h/all", "x-add: before"),
        ("/h/destination", "x-order: before"),
    ] {
        let name = format!("headers of {target} with {line}");
        let case = Case::http1(name, "routes", &format!("GET {target}"), &[line], "");
        all.push(case.reply(answer(
            200,
            &[
                ("x-rremove", "1"),
                ("x-rset", "before"),
                ("x-radd", "before"),
                ("x-order", "answer"),
            ],
            b"ok",
        )));
    }
    all.push(
        Case::get("headers by what the answer says", "routes", "/h/operators").reply(answer(
            207,
            &[("x-was", "it")],
            b"ok",
        )),
    );
    for request in ["HEAD /d/text", "POST /d/text", "HEAD /r/uri", "POST /d/ok"] {
        all.push(Case::http1(
            format!("answer of the route to {request}"),
            "routes",
            request,
            &[],
            "",
        ));
    }
    all.push(Case::http1(
        "answer of the route to a body",
        "routes",
        "POST /d/text",
        &["content-length: 5"],
        "hello",
    ));
    all.push(Case::http1(
        "answer of the route to gRPC",
        "routes",
        "POST /d/text",
        &["content-type: application/grpc", "content-length: 0"],
        "",
    ));
    for target in [
        "/delayed", "/aborted", "/grpc", "/both", "/never", "/retried", "/slow", "/other",
    ] {
        all.push(Case::get(format!("fault of {target}"), "fault", target));
    }
    all.push(Case::http1(
        "fault and gRPC",
        "fault",
        "POST /aborted",
        &["content-type: application/grpc", "content-length: 0"],
        "",
    ));
    all.push(Case::http1(
        "fault of gRPC and gRPC",
        "fault",
        "POST /grpc",
        &["content-type: application/grpc", "content-length: 0"],
        "",
    ));
    all.push(Case::http1(
        "fault and a body",
        "fault",
        "POST /aborted",
        &["content-length: 5"],
        "hello",
    ));
    all.push(Case::http1(
        "fault and HEAD",
        "fault",
        "HEAD /aborted",
        &[],
        "",
    ));
    all
}
