use std::time::Duration;

use graph::cluster::{Limits, RetryBudget};
use graph::policy::{Retry, RetryOn};
use graph::route::{HeaderCondition, HeaderTest};
use headers::Headers;

use super::Numbers;
use crate::{Asked, Outcome, ResetKind, Verdict, backoff, decide, retry_allowed};

fn fields(list: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in list {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    headers
}

fn policy(on: &str) -> Retry {
    let on = on
        .split(',')
        .filter_map(RetryOn::of)
        .fold(RetryOn::default(), RetryOn::with);
    Retry {
        on,
        status_codes: vec![418],
        response_headers: vec![HeaderCondition {
            name: b"x-re"[..].into(),
            on: HeaderTest::Present(true),
            invert: false,
            missing_as_empty: false,
        }],
        retries: 2,
        backoff_base: Duration::from_millis(25),
        backoff_max: Duration::from_millis(250),
        ..Retry::default()
    }
}

fn asked(policy: &Retry) -> Asked {
    Asked::take(policy, &mut Headers::new(), false)
}

fn retried(policy: &Retry, outcome: &Outcome<'_>) -> bool {
    matches!(
        decide(policy, &asked(policy), outcome, 0, 0),
        Verdict::Retry { .. }
    )
}

/// Envoy 1.40, a route for each condition, an upstream that gives each answer.
#[test]
fn answers_are_tried_again_as_the_conditions_say() {
    let answers: [(u16, &[(&str, &str)]); 15] = [
        (500, &[]),
        (501, &[]),
        (503, &[]),
        (504, &[]),
        (409, &[]),
        (404, &[]),
        (418, &[]),
        (200, &[("grpc-status", "14")]),
        (200, &[("grpc-status", "13")]),
        (200, &[("grpc-status", "4")]),
        (503, &[("x-envoy-ratelimited", "true")]),
        (503, &[("x-envoy-overloaded", "true")]),
        (200, &[("x-re", "1")]),
        (599, &[]),
        (600, &[]),
    ];
    let cases = [
        ("5xx", "1111_______1_1_"),
        ("gateway-error", "__11_______1___"),
        ("retriable-4xx", "____1__________"),
        ("retriable-status-codes", "______1________"),
        ("reset", "_______________"),
        ("cancelled,unavailable,internal", "_______11______"),
        ("deadline-exceeded", "_________1_____"),
        ("connect-failure", "_______________"),
        ("reset-before-request", "_______________"),
        ("envoy-ratelimited", "__________1____"),
        ("5xx,envoy-ratelimited", "1111______11_1_"),
        ("retriable-headers", "____________1__"),
        ("refused-stream", "_______________"),
        ("", "_______________"),
    ];
    for (on, expected) in cases {
        let policy = policy(on);
        let made: String = answers
            .iter()
            .map(|(code, list)| {
                let headers = &fields(list);
                let code = *code;
                if retried(&policy, &Outcome::Status { code, headers }) {
                    '1'
                } else {
                    '_'
                }
            })
            .collect();
        assert_eq!(made, expected, "{on}");
    }
}

/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on>; resets
/// after the request was sent were put to Envoy 1.40. In order: connect failure, refused stream, reset before the
/// request, after it, the attempt's time over, overflow.
#[test]
fn resets_are_tried_again_as_the_conditions_say() {
    let kinds = [
        ResetKind::ConnectFailure,
        ResetKind::Refused,
        ResetKind::BeforeRequest,
        ResetKind::Remote,
        ResetKind::PerTryTimeout,
        ResetKind::Overflow,
    ];
    let cases = [
        ("5xx", "11111_"),
        ("gateway-error", "11111_"),
        ("reset", "11111_"),
        ("reset-before-request", "1_1___"),
        ("connect-failure", "1_____"),
        ("refused-stream", "_1____"),
        (
            "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
            "11____",
        ),
        ("retriable-4xx", "______"),
    ];
    for (on, expected) in cases {
        let policy = policy(on);
        let made: String = kinds
            .iter()
            .map(|k| {
                if retried(&policy, &Outcome::Reset(*k)) {
                    '1'
                } else {
                    '_'
                }
            })
            .collect();
        assert_eq!(made, expected, "{on}");
    }
}

#[test]
fn retries_end_at_their_number() {
    let policy = policy("5xx");
    let failed = Outcome::Reset(ResetKind::Remote);
    let asked = asked(&policy);
    assert!(matches!(
        decide(&policy, &asked, &failed, 1, 0),
        Verdict::Retry { .. }
    ));
    assert_eq!(
        decide(&policy, &asked, &failed, 2, 0),
        Verdict::LimitReached
    );
    let headers = &fields(&[]);
    let good = Outcome::Status { code: 200, headers };
    assert_eq!(decide(&policy, &asked, &good, 2, 0), Verdict::NotRetriable);
}

#[test]
fn a_trusted_client_adds_conditions_and_sets_the_number() {
    let mut request = fields(&[
        ("x-envoy-retry-on", "gateway-error, cancelled,nonsense"),
        ("x-envoy-retry-grpc-on", "unavailable,5xx"),
        ("x-envoy-max-retries", "7"),
        ("x-envoy-retriable-status-codes", "429, 430,x"),
        ("kept", "1"),
    ]);
    let mut same = request.clone();
    let none = policy("retriable-status-codes");
    let trusted = Asked::take(&none, &mut request, true);
    let stranger = Asked::take(&none, &mut same, false);
    assert_eq!(request.len(), 1);
    assert_eq!(same.len(), 1);
    let verdict = |asked: &Asked, code, list: &[(&str, &str)], done| {
        let headers = &fields(list);
        decide(&none, asked, &Outcome::Status { code, headers }, done, 0)
    };
    let again = |v| matches!(v, Verdict::Retry { .. });
    assert!(again(verdict(&trusted, 503, &[], 6)));
    assert!(again(verdict(&trusted, 429, &[], 0)));
    assert!(again(verdict(&trusted, 200, &[("grpc-status", "14")], 0)));
    // A word of the one header means nothing in the other.
    assert!(!again(verdict(&trusted, 200, &[("grpc-status", "1")], 0)));
    assert!(!again(verdict(&trusted, 500, &[], 0)));
    assert_eq!(verdict(&trusted, 503, &[], 7), Verdict::LimitReached);
    assert!(!again(verdict(&stranger, 503, &[], 0)));
    assert!(stranger.retries() && trusted.retries());
    assert!(!asked(&policy("")).retries());
    let never = Retry {
        retries: 0,
        ..policy("5xx")
    };
    assert!(!asked(&never).retries());
}

/// 25 ms, doubled for each retry, ten times at most, and a random part of that.
#[test]
fn retries_wait_a_random_part_of_a_growing_time() {
    let policy = policy("5xx");
    let mut numbers = Numbers(23);
    for (done, end) in [
        (0, 25),
        (1, 50),
        (2, 100),
        (3, 200),
        (4, 250),
        (63, 250),
        (64, 250),
        (200, 250),
    ] {
        let (mut least, mut most, mut sum) = (u128::MAX, 0, 0);
        for _ in 0..100_000 {
            let wait = backoff(&policy, done, numbers.next()).as_millis();
            least = least.min(wait);
            most = most.max(wait);
            sum += wait;
        }
        assert_eq!((least, most), (0, end - 1), "after {done}");
        let mean = sum as f64 / 100_000.0;
        let expected = (end - 1) as f64 / 2.0;
        assert!(
            (mean - expected).abs() < expected * 0.02,
            "after {done}: {mean}"
        );
    }
}

#[test]
fn retries_under_way_are_bounded_by_number_or_by_load() {
    let number = Limits {
        connections: 1,
        pending: 1,
        requests: 1,
        retries: 3,
        retry_budget: None,
    };
    assert!(retry_allowed(&number, 2, 100, 100));
    assert!(!retry_allowed(&number, 3, 100, 100));
    let budget = Limits {
        retry_budget: Some(RetryBudget {
            basis_points: 2_000,
            minimum: 3,
        }),
        ..number
    };
    // A fifth of 60 requests under way and 40 that wait.
    assert!(retry_allowed(&budget, 19, 60, 40));
    assert!(!retry_allowed(&budget, 20, 60, 40));
    assert!(retry_allowed(&budget, 2, 1, 0));
    assert!(!retry_allowed(&budget, 3, 1, 0));
}
