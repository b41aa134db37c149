use graph::manager::HttpManager;
use graph::route::Forwarding;
use headers::{Headers, Known};

use super::{bytes, fields, forwarding, get, manager, names, text};
use crate::hops::*;

fn after(mut headers: Headers, change: impl Fn(&mut Headers)) -> Vec<(String, String)> {
    change(&mut headers);
    let mut list: Vec<(String, String)> = names(&headers)
        .into_iter()
        .map(|n| (n.clone(), text(&headers, &n).unwrap()))
        .collect();
    list.sort();
    list
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut list: Vec<_> = list
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    list.sort();
    list
}

/// Envoy 1.40: `connection: x-a, keep-alive` takes `x-a` along; `trailer` stays.
#[test]
fn fields_of_the_clients_connection_end_here() {
    let request = fields(&[
        (":path", "/"),
        ("connection", "x-a, keep-alive"),
        ("x-a", "1"),
        ("keep-alive", "5"),
        ("proxy-connection", "k"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "foo"),
        ("trailer", "x"),
    ]);
    let left = after(request, strip_request);
    assert_eq!(left, pairs(&[(":path", "/"), ("trailer", "x")]));
}

#[test]
fn connection_cannot_take_pseudo_fields_along() {
    let request = fields(&[(":path", "/"), ("connection", ":path, , x")]);
    assert_eq!(after(request, strip_request), pairs(&[(":path", "/")]));
}

/// Envoy 1.40.
#[test]
fn of_te_only_trailers_passes() {
    let cases = [
        ("trailers", Some("trailers")),
        ("gzip,trailers", Some("trailers")),
        ("gzip", None),
        ("Trailers", None),
        ("gzip, trailers;q=1", None),
    ];
    for (value, expected) in cases {
        let mut request = get("/", &[("te", value)]);
        strip_request(&mut request);
        assert_eq!(text(&request, "te").as_deref(), expected, "{value}");
    }
}

#[test]
fn an_upgrade_keeps_its_fields_and_says_that_it_has_no_body() {
    let request = fields(&[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("keep-alive", "1"),
    ]);
    let expected = [
        ("connection", "keep-alive, Upgrade"),
        ("content-length", "0"),
        ("upgrade", "WebSocket"),
    ];
    assert_eq!(after(request, strip_request), pairs(&expected));
}

/// Envoy 1.40 answers an upgrade to `h2c` by going on in HTTP/1.1.
#[test]
fn an_upgrade_to_h2c_is_left_out() {
    let request = fields(&[
        (":path", "/x"),
        ("connection", "upgrade, http2-settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AA"),
    ]);
    assert!(!is_upgrade(&request));
    assert_eq!(after(request, strip_request), pairs(&[(":path", "/x")]));
}

#[test]
fn fields_of_the_upstreams_connection_end_here() {
    let response = || {
        fields(&[
            (":status", "200"),
            ("connection", "close, x-b"),
            ("x-b", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2"),
        ])
    };
    let left = after(response(), |r| strip_response(r, false));
    assert_eq!(left, pairs(&[(":status", "200")]));
    let switched = fields(&[
        (":status", "101"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
    ]);
    let left = after(switched, |r| strip_response(r, true));
    assert_eq!(left.len(), 4);
}

/// RFC 8441, 5: the fields of a WebSocket's opening in both versions.
#[test]
fn a_websocket_passes_from_http2_to_http1_and_back() {
    let mut request = fields(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "h"),
    ]);
    request_from_http2(&mut request);
    assert!(is_upgrade(&request));
    let expected = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "h"),
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("transfer-encoding", "chunked"),
    ];
    assert_eq!(after(request, |_| {}), pairs(&expected));
    let switched = fields(&[
        (":status", "101"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("content-length", "0"),
    ]);
    assert_eq!(
        after(switched, response_to_http2),
        pairs(&[(":status", "200")])
    );
}

#[test]
fn a_websocket_passes_from_http1_to_http2_and_back() {
    let request = fields(&[
        (":method", "GET"),
        (":path", "/chat"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("content-length", "0"),
    ]);
    let expected = [
        (":method", "CONNECT"),
        (":path", "/chat"),
        (":protocol", "websocket"),
    ];
    assert_eq!(after(request, request_to_http2), pairs(&expected));
    let accepted = fields(&[(":status", "200"), ("sec-websocket-protocol", "p")]);
    let expected = [
        (":status", "101"),
        ("sec-websocket-protocol", "p"),
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
    ];
    let left = after(accepted, |r| response_from_http2(r, Some(b"websocket")));
    assert_eq!(left, pairs(&expected));
    let refused = fields(&[(":status", "403")]);
    let left = after(refused, |r| response_from_http2(r, Some(b"websocket")));
    assert_eq!(left, pairs(&[(":status", "403")]));
}

#[test]
fn a_plain_connect_is_no_upgrade() {
    let request = [(":method", "CONNECT"), (":authority", "h:1")];
    assert_eq!(after(fields(&request), request_from_http2), pairs(&request));
}

/// `RouteAction.upgrade_configs` over the manager's, without case.
#[test]
fn a_route_allows_or_refuses_upgrades_over_the_manager() {
    let allowing = HttpManager {
        upgrades: vec![bytes("websocket")],
        ..manager()
    };
    let route = |upgrades: &[(&str, bool)]| Forwarding {
        upgrades: upgrades.iter().map(|(n, a)| (bytes(n), *a)).collect(),
        ..forwarding()
    };
    let cases = [
        (&allowing, route(&[]), "WebSocket", true),
        (&allowing, route(&[]), "CONNECT", false),
        (
            &allowing,
            route(&[("websocket", false)]),
            "websocket",
            false,
        ),
        (&manager(), route(&[]), "websocket", false),
        (&manager(), route(&[("CONNECT", true)]), "CONNECT", true),
    ];
    for (manager, route, name, expected) in cases {
        assert_eq!(
            upgrade_allowed(manager, &route, name.as_bytes()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_client_that_waits_for_continue_is_seen() {
    assert!(expects_continue(&get("/", &[("expect", "100-Continue")])));
    assert!(!expects_continue(&get("/", &[("expect", "x")])));
    assert!(!expects_continue(&get("/", &[])));
}

#[test]
fn cookies_of_http2_go_on_in_one_field_and_host_counts_without_authority() {
    let mut request = Headers::new();
    for (name, value) in [("host", "a.example"), ("cookie", "a=1"), ("cookie", "b=2")] {
        request.push(name.as_bytes(), value.as_bytes());
    }
    request_from_http2(&mut request);
    assert_eq!(request.get(Known::Authority), Some(&b"a.example"[..]));
    assert!(!request.has(Known::Host));
    let cookies: Vec<&[u8]> = request.all(Known::Cookie).collect();
    assert_eq!(cookies, [b"a=1; b=2"]);
}
