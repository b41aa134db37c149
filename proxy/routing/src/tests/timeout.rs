use std::sync::Arc;
use std::time::Duration;

use graph::policy::Retry;
use graph::route::Forwarding;

use super::{Fields, forwarding, get, text};
use crate::timeout::{Timeouts, announce, grpc_timeout, request_timeouts};

/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>: "Timeout".
#[test]
fn grpc_timeouts_are_eight_digits_and_a_unit() {
    let cases = [
        ("1H", Some(Duration::from_secs(3600))),
        ("2M", Some(Duration::from_secs(120))),
        ("10S", Some(Duration::from_secs(10))),
        ("99999999m", Some(Duration::from_millis(99_999_999))),
        ("1500u", Some(Duration::from_micros(1500))),
        ("1n", Some(Duration::from_nanos(1))),
        ("0S", Some(Duration::ZERO)),
        ("123456789m", None),
        ("x", None),
        ("S", None),
        ("", None),
        ("1", None),
        ("1s", None),
        ("-1S", None),
        ("+1S", None),
        ("1 S", None),
    ];
    for (value, expected) in cases {
        assert_eq!(grpc_timeout(value.as_bytes()), expected, "{value}");
    }
}

fn route(max_grpc_secs: Option<u64>, per_try_secs: u64) -> Forwarding {
    Forwarding {
        timeout: Duration::from_secs(3),
        max_grpc_timeout: max_grpc_secs.map(Duration::from_secs),
        retry: Some(Arc::new(Retry {
            per_try_timeout: Duration::from_secs(per_try_secs),
            ..Retry::default()
        })),
        ..forwarding()
    }
}

/// Envoy 1.40, a route with `timeout: 3s` and `max_grpc_timeout` of 5 s, or 0 for no bound: what the upstream is told.
#[test]
fn a_grpc_timeout_counts_up_to_the_routes_bound() {
    let cases = [
        (None, 5, Some("5000"), Some("5000m")),
        (Some("10S"), 5, Some("5000"), Some("5000m")),
        (Some("1S"), 5, Some("1000"), Some("1000m")),
        (Some("0S"), 5, Some("5000"), Some("5000m")),
        (Some("123456789m"), 5, Some("5000"), Some("5000m")),
        (Some("x"), 5, Some("5000"), Some("5000m")),
        (None, 0, None, None),
        (Some("10S"), 0, Some("10000"), Some("10000m")),
        (Some("0S"), 0, None, Some("0S")),
        (Some("x"), 0, None, Some("x")),
        (Some("100000S"), 0, Some("100000000"), Some("100000S")),
        (
            Some("99999999H"),
            0,
            Some("359999996400000"),
            Some("99999999H"),
        ),
        (Some("1500u"), 0, Some("2"), Some("2m")),
    ];
    for (asked, most, expected, grpc) in cases {
        let route = route(Some(most), 0);
        let mut request = get("/", &[("content-type", "application/grpc")]);
        if let Some(asked) = asked {
            request.push(b"grpc-timeout", asked.as_bytes());
        }
        let timeouts = request_timeouts(&route, &request, false);
        announce(&mut request, &route, timeouts, false);
        let told = text(&request, "x-envoy-expected-rq-timeout-ms");
        assert_eq!(told.as_deref(), expected, "{asked:?} of {most}");
        assert_eq!(
            text(&request, "grpc-timeout").as_deref(),
            grpc,
            "{asked:?} of {most}"
        );
    }
}

#[test]
fn a_grpc_timeout_means_nothing_where_the_route_does_not_read_it() {
    let request = get(
        "/",
        &[("content-type", "application/grpc"), ("grpc-timeout", "1S")],
    );
    let timeouts = request_timeouts(&route(None, 0), &request, false);
    assert_eq!(timeouts.whole, Duration::from_secs(3));
    let plain = get("/", &[("grpc-timeout", "1S")]);
    let timeouts = request_timeouts(&route(Some(5), 0), &plain, false);
    assert_eq!(timeouts.whole, Duration::from_secs(3));
}

/// Envoy 1.40, a route with `timeout: 3s` and `per_try_timeout: 1s`, an internal client.
#[test]
fn a_trusted_client_sets_its_own_limits() {
    let millis = Duration::from_millis;
    let cases: [(Fields<'_>, bool, Timeouts, &str); 5] = [
        (
            &[],
            true,
            Timeouts {
                whole: millis(3000),
                each: millis(1000),
            },
            "1000",
        ),
        (
            &[("x-envoy-upstream-rq-timeout-ms", "700")],
            true,
            Timeouts {
                whole: millis(700),
                each: Duration::ZERO,
            },
            "700",
        ),
        (
            &[
                ("x-envoy-upstream-rq-timeout-ms", "0"),
                ("x-envoy-upstream-rq-per-try-timeout-ms", "100"),
            ],
            true,
            Timeouts {
                whole: Duration::ZERO,
                each: millis(100),
            },
            "100",
        ),
        (
            &[("x-envoy-upstream-rq-timeout-ms", "x")],
            true,
            Timeouts {
                whole: millis(3000),
                each: millis(1000),
            },
            "1000",
        ),
        (
            &[("x-envoy-upstream-rq-timeout-ms", "700")],
            false,
            Timeouts {
                whole: millis(3000),
                each: millis(1000),
            },
            "1000",
        ),
    ];
    for (more, trusted, expected, told) in cases {
        let route = route(None, 1);
        let mut request = get("/", more);
        let timeouts = request_timeouts(&route, &request, trusted);
        assert_eq!(timeouts, expected, "{more:?}");
        announce(&mut request, &route, timeouts, false);
        assert_eq!(
            text(&request, "x-envoy-expected-rq-timeout-ms").unwrap(),
            told
        );
        assert_eq!(text(&request, "x-envoy-upstream-rq-timeout-ms"), None);
        assert_eq!(
            text(&request, "x-envoy-upstream-rq-per-try-timeout-ms"),
            None
        );
    }
}

#[test]
fn suppressed_headers_tell_nothing() {
    let mut request = get("/", &[]);
    let timeouts = request_timeouts(&route(None, 0), &request, false);
    announce(&mut request, &route(None, 0), timeouts, true);
    assert_eq!(text(&request, "x-envoy-expected-rq-timeout-ms"), None);
}
