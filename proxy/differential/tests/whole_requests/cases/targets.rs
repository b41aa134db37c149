//! Methods, targets and hosts.

use crate::case::{Act, Case, Reply, To};

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "PURGE",
    ] {
        all.push(Case::http1(
            format!("method {method}"),
            "echo",
            &format!("{method} /"),
            &[],
            "",
        ));
    }
    let long = format!("/{}", "a".repeat(8000));
    let targets = [
        "/a?b=c",
        "//",
        "//a//b",
        "/a/./b",
        "/a/../b",
        "/../../a",
        "/a/%2e%2e/b",
        "/a/%2E/b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/%41%7e",
        "/%zz",
        "/a;b=c",
        "/a?",
        "/a?b?c",
        "/a?b/../c",
        "/a#b",
        "/?",
        "/a//../b",
        "/.",
        "/..",
        "/a/.",
        "/a/..",
        "/a/...",
        "/caf\u{c3}\u{a9}",
        "/a|b{c}^\"<>`",
        "http://echo/absolute",
        "http://echo:80/absolute",
        "http://echo",
        "http://echo?q",
        "https://echo/absolute",
        "http://other.example/absolute",
        "*",
        "nothing",
        &long,
    ];
    for target in targets {
        let name = format!("target {}", target.chars().take(40).collect::<String>());
        all.push(Case::get(name, "echo", target));
    }
    all.push(Case::http1(
        "target * of OPTIONS",
        "echo",
        "OPTIONS *",
        &[],
        "",
    ));
    all.push(Case::http1(
        "target of OPTIONS without a path",
        "echo",
        "OPTIONS http://echo",
        &[],
        "",
    ));
    for host in [
        "echo.default",
        "echo.default.svc",
        "echo.default.svc.cluster.local",
        "echo:80",
        "echo.default.svc.cluster.local:80",
        "echo:8080",
        "ECHO",
        "Echo.Default",
        "echo.",
        "10.96.1.1",
        "10.96.1.1:80",
        "10.244.0.3",
        "unknown.example",
        "plain",
        "",
        "a b",
        "a/b",
        "a,b",
        "[::1]",
        "echo@80",
    ] {
        let line = format!("host: {host}");
        let name = format!("host {host:?}");
        all.push(Case::http1(name, "echo", "GET /", &[&line], ""));
    }
    all.extend([
        Case::bytes(
            "no host",
            "echo",
            "GET / HTTP/1.1\r\nuser-agent: {case}\r\n\r\n",
        ),
        Case::http1(
            "two hosts",
            "echo",
            "GET /",
            &["host: echo", "host: plain"],
            "",
        ),
        Case::get("a pod's own address", "echo", "/").to(To::Pod("a", 8080)),
        Case::get("a pod's own address without a sidecar", "plain", "/").to(To::Pod("plain", 8080)),
        Case::get("a pod's address as the service's port", "echo", "/").to(To::Pod("a", 80)),
        Case::get("a service by its pod's port", "echo", "/")
            .over()
            .to(To::Service("echo", 8080)),
        Case::get("a port of undeclared protocol", "echo", "/").to(To::Service("echo", 81)),
        Case::get("a port of bytes", "echo", "/")
            .to(To::Service("echo", 9000))
            .reply(Reply::Raw(vec![
                Act::Read(60),
                Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
            ])),
        Case::get("a service without a sidecar", "plain", "/"),
        Case::get(
            "a service without a sidecar, of undeclared protocol",
            "plain",
            "/",
        )
        .to(To::Service("plain", 81)),
        Case::get("from outside to a pod", "echo", "/")
            .to(To::Pod("a", 8080))
            .outside(),
        Case::get("from outside to a port of undeclared protocol", "echo", "/")
            .to(To::Pod("a", 8081))
            .outside(),
        Case::get("from outside to a port that wants mutual TLS", "echo", "/")
            .to(To::Pod("a", 8082))
            .outside(),
        Case::get("from outside to a port without TLS", "echo", "/")
            .to(To::Pod("a", 8083))
            .outside(),
        Case::get("from outside to a port that no service has", "echo", "/")
            .to(To::Pod("a", 9002))
            .outside()
            .reply(Reply::Raw(vec![
                Act::Read(60),
                Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
            ])),
        Case::get("from outside to a port where nobody listens", "echo", "/")
            .to(To::Pod("a", 8099))
            .outside(),
        Case::get(
            "from outside to a port of none that listens nowhere",
            "echo",
            "/",
        )
        .to(To::Pod("a", 7777))
        .outside(),
        Case::get("from outside to the port of outbound traffic", "echo", "/")
            .over()
            .to(To::Pod("a", 15001))
            .outside(),
        Case::get("from outside to the port of inbound traffic", "echo", "/")
            .over()
            .to(To::Pod("a", 15006))
            .outside(),
        Case::get("to its own port of outbound traffic", "echo", "/")
            .over()
            .to(To::Pod("client", 15001)),
    ]);
    all
}
