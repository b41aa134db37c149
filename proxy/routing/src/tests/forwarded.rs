use graph::chain::IpNetwork;
use graph::manager::HttpManager;
use headers::Headers;

use super::{get, manager, names, text};
use crate::forwarded::{Connection, Origin, mark, mark_within, set_scheme};

fn connection() -> Connection {
    Connection {
        remote: "127.0.0.1".parse().unwrap(),
        own: "192.0.2.2".parse().unwrap(),
        tls: false,
    }
}

fn edge() -> HttpManager {
    HttpManager {
        use_remote_address: true,
        ..manager()
    }
}

fn marked(manager: &HttpManager, more: &[(&str, &str)]) -> (Headers, Origin) {
    let mut request = get("/", more);
    let origin = mark(&mut request, manager, &connection());
    (request, origin)
}

/// Envoy 1.40: `use_remote_address`; the loopback's address stands for none, so this host's own is written.
#[test]
fn the_edge_appends_the_client_to_x_forwarded_for() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], "192.0.2.2"),
        (&[("x-forwarded-for", "10.0.0.1")], "10.0.0.1,192.0.2.2"),
        (
            &[("x-forwarded-for", "1.1.1.1, 10.0.0.2")],
            "1.1.1.1, 10.0.0.2,192.0.2.2",
        ),
        (
            &[("x-forwarded-for", "foo"), ("x-forwarded-for", "10.0.0.3")],
            "foo,10.0.0.3,192.0.2.2",
        ),
        (&[("x-forwarded-for", "")], "192.0.2.2"),
    ];
    for (more, expected) in cases {
        let (request, origin) = marked(&edge(), more);
        assert_eq!(text(&request, "x-forwarded-for").unwrap(), expected);
        assert_eq!(
            text(&request, "x-envoy-external-address").unwrap(),
            "127.0.0.1"
        );
        assert!(origin.edge && !origin.internal);
    }
    let mut request = get("/", &[]);
    let elsewhere = Connection {
        remote: "198.51.100.7".parse().unwrap(),
        ..connection()
    };
    mark(&mut request, &edge(), &elsewhere);
    assert_eq!(text(&request, "x-forwarded-for").unwrap(), "198.51.100.7");
}

/// Envoy 1.40.
#[test]
fn a_proxy_that_is_no_edge_leaves_x_forwarded_for_and_reads_the_client_there() {
    let cases = [
        ("10.0.0.1", "10.0.0.1"),
        ("1.1.1.1, 10.0.0.2", "10.0.0.2"),
        ("foo", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ];
    for (value, client) in cases {
        let (request, origin) = marked(&manager(), &[("x-forwarded-for", value)]);
        assert_eq!(text(&request, "x-forwarded-for").unwrap(), value);
        assert_eq!(origin.client.to_string(), client, "{value}");
        assert!(!origin.edge);
    }
    let (request, origin) = marked(&manager(), &[]);
    assert_eq!(text(&request, "x-forwarded-for"), None);
    assert_eq!(origin.client.to_string(), "127.0.0.1");
}

/// Envoy 1.40, `xff_num_trusted_hops: 1`.
#[test]
fn trusted_proxies_are_passed_over() {
    let behind = HttpManager {
        trusted_hops: 1,
        ..edge()
    };
    let cases = [
        ("10.0.0.1", "10.0.0.1"),
        ("1.1.1.1, 10.0.0.2", "10.0.0.2"),
        ("", "127.0.0.1"),
    ];
    for (value, client) in cases {
        let more = [("x-forwarded-for", value), ("x-forwarded-proto", "https")];
        let (request, origin) = marked(&behind, &more);
        assert_eq!(origin.client.to_string(), client, "{value}");
        assert_eq!(text(&request, "x-envoy-external-address").unwrap(), client);
        assert_eq!(text(&request, "x-forwarded-proto").unwrap(), "https");
    }
    let inner = HttpManager {
        trusted_hops: 1,
        ..manager()
    };
    let (_, origin) = marked(&inner, &[("x-forwarded-for", "1.1.1.1, 10.0.0.2")]);
    assert_eq!(origin.client.to_string(), "1.1.1.1");
}

/// Envoy 1.40.
#[test]
fn the_edge_says_itself_how_a_request_came() {
    let more = [("x-forwarded-proto", "https")];
    let proto = |manager: &HttpManager, more: &[(&str, &str)]| {
        text(&marked(manager, more).0, "x-forwarded-proto").unwrap()
    };
    assert_eq!(proto(&edge(), &more), "http");
    assert_eq!(proto(&manager(), &more), "https");
    assert_eq!(proto(&manager(), &[]), "http");
    let mut request = get("/", &[]);
    let by_tls = Connection {
        tls: true,
        ..connection()
    };
    mark(&mut request, &manager(), &by_tls);
    assert_eq!(text(&request, "x-forwarded-proto").unwrap(), "https");
}

#[test]
fn skip_xff_append_leaves_the_field() {
    let skipping = HttpManager {
        skip_xff_append: true,
        ..edge()
    };
    assert_eq!(text(&marked(&skipping, &[]).0, "x-forwarded-for"), None);
}

/// Envoy 1.40: what stays of all headers of Envoy that a client may send, at an inner proxy and at the edge.
#[test]
fn headers_that_steer_the_router_are_taken_from_strangers() {
    let steering = [
        "x-envoy-internal",
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-stream-duration-ms",
        "x-envoy-force-trace",
        "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-ip-tags",
        "x-envoy-original-url",
    ];
    let of_the_mesh = [
        "x-envoy-decorator-operation",
        "x-envoy-original-path",
        "x-envoy-original-host",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
    ];
    let any = [
        "x-envoy-foo",
        "x-envoy-attempt-count",
        "x-envoy-peer-metadata",
    ];
    let all: Vec<(&str, &str)> = steering
        .iter()
        .chain(&of_the_mesh)
        .chain(&any)
        .map(|n| (*n, "1"))
        .collect();
    let left = |manager: &HttpManager| {
        let (request, _) = marked(manager, &all);
        let mut left = names(&request);
        left.retain(|n| n.starts_with("x-envoy-") && n != "x-envoy-external-address");
        left.sort();
        left
    };
    let sorted = |lists: &[&[&str]]| {
        let mut list: Vec<String> = lists.concat().iter().map(|n| (*n).to_owned()).collect();
        list.sort();
        list
    };
    assert_eq!(left(&manager()), sorted(&[&of_the_mesh, &any]));
    assert_eq!(left(&edge()), sorted(&[&any]));
}

/// Envoy 1.40 with `internal_address_config`: a client there is internal if it alone is named.
#[test]
fn a_client_of_an_internal_network_may_steer() {
    let networks = [IpNetwork {
        address: "10.0.0.0".parse().unwrap(),
        prefix: 8,
    }];
    let cases: [(&[(&str, &str)], bool); 3] = [
        (&[("x-forwarded-for", "10.0.0.1")], true),
        (&[("x-forwarded-for", "1.1.1.1, 10.0.0.2")], false),
        (&[], false),
    ];
    for (more, internal) in cases {
        let mut request = get("/", more);
        request.push(b"x-envoy-retry-on", b"5xx");
        let origin = mark_within(&mut request, &manager(), &connection(), &networks);
        assert_eq!(origin.internal, internal, "{more:?}");
        assert_eq!(text(&request, "x-envoy-internal").is_some(), internal);
        assert_eq!(text(&request, "x-envoy-retry-on").is_some(), internal);
    }
}

#[test]
fn a_request_of_http1_gets_its_scheme_from_x_forwarded_proto() {
    let cases = [
        (Some("https"), false, "https"),
        (Some("HTTPS"), false, "https"),
        (Some("http"), true, "http"),
        (Some("junk"), false, "http"),
        (Some("junk"), true, "https"),
        (None, true, "https"),
    ];
    for (proto, tls, expected) in cases {
        let mut request = Headers::new();
        if let Some(proto) = proto {
            request.push(b"x-forwarded-proto", proto.as_bytes());
        }
        set_scheme(&mut request, tls);
        assert_eq!(
            text(&request, ":scheme").unwrap(),
            expected,
            "{proto:?} {tls}"
        );
    }
}
