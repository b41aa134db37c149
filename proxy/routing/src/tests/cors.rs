use graph::policy::Cors;
use headers::Headers;

use super::{exact, fields, get};
use crate::cors::{Verdict, judge, write_response};

fn policy() -> Cors {
    Cors {
        allow_origins: vec![exact("http://ok")],
        allow_methods: "GET,POST".into(),
        allow_headers: "x-a".into(),
        expose_headers: "x-e".into(),
        max_age: "7".into(),
        allow_credentials: true,
        forward_not_matching_preflights: false,
    }
}

fn asking(method: &str, origin: &str, more: &[(&str, &str)]) -> Headers {
    let mut list = vec![(":method", method), (":path", "/"), ("origin", origin)];
    list.extend_from_slice(more);
    fields(&list)
}

const PREFLIGHT: &[(&str, &str)] = &[
    ("access-control-request-method", "PUT"),
    ("access-control-request-headers", "x-q"),
];

fn written(headers: &Headers) -> Vec<(String, String)> {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    headers
        .iter()
        .map(|f| (text(f.name).replace("access-control-", ""), text(f.value)))
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

/// Envoy 1.40, fields in its order.
#[test]
fn a_preflight_is_answered_with_what_the_policy_allows() {
    let mut answer = Headers::new();
    let verdict = judge(
        &policy(),
        &asking("OPTIONS", "http://ok", PREFLIGHT),
        &mut answer,
    );
    assert_eq!(verdict, Verdict::Answer);
    let expected = [
        ("allow-origin", "http://ok"),
        ("allow-credentials", "true"),
        ("allow-methods", "GET,POST"),
        ("allow-headers", "x-a"),
        ("max-age", "7"),
        ("expose-headers", "x-e"),
    ];
    assert_eq!(written(&answer), pairs(&expected));
}

/// Envoy 1.40.
#[test]
fn a_preflight_from_elsewhere_is_answered_without_its_origin() {
    let mut answer = Headers::new();
    let verdict = judge(
        &policy(),
        &asking("OPTIONS", "http://no", PREFLIGHT),
        &mut answer,
    );
    assert_eq!(verdict, Verdict::Answer);
    let expected = [
        ("allow-credentials", "true"),
        ("allow-methods", "GET,POST"),
        ("allow-headers", "x-a"),
        ("max-age", "7"),
    ];
    assert_eq!(written(&answer), pairs(&expected));
}

/// Envoy 1.40: an allowed origin `*` allows all, `*` in methods and headers repeats what was asked.
#[test]
fn stars_allow_what_was_asked() {
    let open = Cors {
        allow_origins: vec![exact("*")],
        allow_methods: "*".into(),
        allow_headers: "*".into(),
        expose_headers: "".into(),
        max_age: "".into(),
        allow_credentials: false,
        forward_not_matching_preflights: true,
    };
    let mut answer = Headers::new();
    judge(
        &open,
        &asking("OPTIONS", "http://no", PREFLIGHT),
        &mut answer,
    );
    let expected = [
        ("allow-origin", "http://no"),
        ("allow-methods", "PUT"),
        ("allow-headers", "x-q"),
    ];
    assert_eq!(written(&answer), pairs(&expected));
    answer.clear();
    judge(
        &open,
        &asking("OPTIONS", "http://no", &PREFLIGHT[..1]),
        &mut answer,
    );
    assert_eq!(
        written(&answer)[2],
        ("allow-headers".to_owned(), String::new())
    );
}

/// Envoy 1.40.
#[test]
fn only_options_with_a_requested_method_is_a_preflight() {
    let mut answer = Headers::new();
    let forwarding = Cors {
        forward_not_matching_preflights: true,
        ..policy()
    };
    let cases = [
        (
            policy(),
            asking("GET", "http://ok", PREFLIGHT),
            Verdict::Allowed,
        ),
        (
            policy(),
            asking("OPTIONS", "http://ok", &[]),
            Verdict::Allowed,
        ),
        (
            policy(),
            asking("GET", "http://no", &[]),
            Verdict::NotAllowed,
        ),
        (policy(), get("/", &[]), Verdict::SameOrigin),
        (
            policy(),
            asking("OPTIONS", "", PREFLIGHT),
            Verdict::SameOrigin,
        ),
        (
            forwarding,
            asking("OPTIONS", "http://no", PREFLIGHT),
            Verdict::NotAllowed,
        ),
    ];
    for (policy, request, expected) in cases {
        assert_eq!(judge(&policy, &request, &mut answer), expected);
        assert!(answer.is_empty());
    }
}

/// Envoy 1.40: what the upstream says of the origin gives way.
#[test]
fn an_allowed_answer_names_the_origin() {
    let mut response = fields(&[(":status", "200"), ("access-control-allow-origin", "up")]);
    write_response(&policy(), b"http://ok", &mut response);
    let expected = [
        (":status", "200"),
        ("allow-origin", "http://ok"),
        ("allow-credentials", "true"),
        ("expose-headers", "x-e"),
    ];
    assert_eq!(written(&response), pairs(&expected));
}
