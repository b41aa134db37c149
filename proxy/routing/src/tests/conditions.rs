use graph::route::*;

use super::{any_path, bytes, exact, fields, get, on, regex};
use crate::conditions::Subject;
use crate::{Facts, header_holds, is_grpc};

const FACTS: Facts = Facts {
    random: 0,
    client_certificate: false,
};

fn matched(on: &RouteMatch, path: &str) -> Option<usize> {
    let request = get(path, &[]);
    crate::conditions::holds(on, &Subject::of(&request), &FACTS)
}

/// Envoy 1.40, one virtual host for each.
#[test]
fn paths_are_compared_without_query() {
    let prefix = on(PathMatch::Prefix(bytes("/p"), Case::Sensitive));
    let whole = on(PathMatch::Exact(bytes("/ex"), Case::Sensitive));
    let any_case = on(PathMatch::Exact(bytes("/ex"), Case::Insensitive));
    let separated = on(PathMatch::SeparatedPrefix(bytes("/ps"), Case::Sensitive));
    let pattern = on(PathMatch::Regex(regex("/r[0-9]+")));
    let cases = [
        (&prefix, "/p?q", Some(2)),
        (&prefix, "/px/y", Some(2)),
        (&prefix, "/P", None),
        (&whole, "/ex", Some(3)),
        (&whole, "/ex?q", Some(3)),
        (&whole, "/ex#f", Some(3)),
        (&whole, "/EX", None),
        (&whole, "/ex/", None),
        (&any_case, "/EX?x", Some(3)),
        (&separated, "/ps", Some(3)),
        (&separated, "/ps/", Some(3)),
        (&separated, "/ps/x", Some(3)),
        (&separated, "/ps?q", Some(3)),
        (&separated, "/psx", None),
        (&pattern, "/r1", Some(3)),
        (&pattern, "/r12?x", Some(4)),
        (&pattern, "/r1/", None),
        (&pattern, "/r", None),
        (&pattern, "/x/r1", None),
    ];
    for (condition, path, expected) in cases {
        assert_eq!(
            matched(condition, path),
            expected,
            "{:?} of {path}",
            condition.path
        );
    }
}

#[test]
fn connect_is_matched_by_method_and_needs_no_path() {
    let connect = on(PathMatch::Connect);
    let request = fields(&[(":method", "CONNECT"), (":authority", "h:1")]);
    let subject = Subject::of(&request);
    assert_eq!(
        crate::conditions::holds(&connect, &subject, &FACTS),
        Some(0)
    );
    assert_eq!(
        crate::conditions::holds(&any_path(), &subject, &FACTS),
        None
    );
    assert_eq!(matched(&connect, "/"), None);
}

/// Envoy 1.40; in order: no field, `1`, empty, `1` and `2`, `7`, `-3`, `5`, `x`, `+1`, `01`, `1,2`.
#[test]
fn header_conditions_hold_as_in_envoy() {
    let requests: [&[(&str, &str)]; 11] = [
        &[],
        &[("a", "1")],
        &[("a", "")],
        &[("a", "1"), ("a", "2")],
        &[("a", "7")],
        &[("a", "-3")],
        &[("a", "5")],
        &[("a", "x")],
        &[("a", "+1")],
        &[("a", "01")],
        &[("a", "1,2")],
    ];
    let one = || HeaderTest::Text(exact("1"));
    let range = || HeaderTest::Range(-3, 5);
    let cases: [(HeaderTest, bool, bool, &str); 13] = [
        (HeaderTest::Present(true), false, false, "_1111111111"),
        (HeaderTest::Present(false), false, false, "1__________"),
        (HeaderTest::Present(true), true, false, "1__________"),
        (HeaderTest::Present(true), false, true, "11111111111"),
        (HeaderTest::Present(false), false, true, "___________"),
        (one(), false, false, "_1_1_______"),
        (one(), true, false, "__1_1111111"),
        (one(), true, true, "1_1_1111111"),
        (HeaderTest::Text(exact("")), false, true, "1_1________"),
        (HeaderTest::Text(exact("1,2")), false, false, "__________1"),
        (range(), false, false, "_1_1_1__11_"),
        (range(), true, false, "__1_1_11__1"),
        (range(), true, true, "1_1_1_11__1"),
    ];
    for (test, invert, missing_as_empty, expected) in cases {
        let condition = HeaderCondition {
            name: bytes("a"),
            on: test,
            invert,
            missing_as_empty,
        };
        let answers: String = requests
            .iter()
            .map(|r| {
                if header_holds(&condition, &fields(r)) {
                    '1'
                } else {
                    '_'
                }
            })
            .collect();
        assert_eq!(answers, expected, "{condition:?}");
    }
}

/// Envoy keeps fields that it knows itself as one, joined.
#[test]
fn fields_of_a_list_that_the_proxy_knows_are_compared_joined() {
    let condition = HeaderCondition {
        name: bytes("x-forwarded-for"),
        on: HeaderTest::Text(exact("1,2")),
        invert: false,
        missing_as_empty: false,
    };
    let twice = fields(&[("x-forwarded-for", "1"), ("x-forwarded-for", "2")]);
    assert!(header_holds(&condition, &twice));
}

/// Envoy 1.40.
#[test]
fn query_parameters_are_compared_undecoded_and_the_first_counts() {
    let with = |test: Option<&str>| RouteMatch {
        query: vec![QueryCondition {
            name: bytes("k"),
            on: test.map(exact),
        }],
        ..any_path()
    };
    let cases: [(Option<&str>, &[&str], &[&str]); 4] = [
        (
            None,
            &["/?k", "/?k=", "/?k=v", "/?a=1&k=v", "/?&&k=v"],
            &["/?%6b=v", "/?K=v", "/??k=v", "/"],
        ),
        (
            Some("v"),
            &["/?k=v", "/?a=1&k=v", "/?&&k=v"],
            &["/?k", "/?k=x&k=v", "/?k=v?", "/?k=%76"],
        ),
        (Some(""), &["/?k", "/?k="], &["/?k=v", "/"]),
        (Some("a%20b"), &["/?k=a%20b"], &["/?k=a+b", "/?k=a b"]),
    ];
    for (test, yes, no) in cases {
        for path in yes {
            assert_eq!(matched(&with(test), path), Some(1), "{test:?} {path}");
        }
        for path in no {
            assert_eq!(matched(&with(test), path), None, "{test:?} {path}");
        }
    }
}

/// Envoy 1.40.
#[test]
fn grpc_is_its_content_type_alone_or_with_a_plus() {
    let cases = [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;x=1", false),
        ("application/grpc-web", false),
        ("application/grpcx", false),
        ("Application/GRPC", false),
        ("text/html", false),
    ];
    for (kind, expected) in cases {
        assert_eq!(
            is_grpc(&get("/", &[("content-type", kind)])),
            expected,
            "{kind}"
        );
    }
}

#[test]
fn a_fraction_of_requests_is_drawn_by_the_random_number() {
    let half = RouteMatch {
        fraction: Some(500_000),
        ..any_path()
    };
    let request = get("/", &[]);
    let holds = |random| {
        let facts = Facts { random, ..FACTS };
        crate::conditions::holds(&half, &Subject::of(&request), &facts).is_some()
    };
    assert!(holds(0) && holds(499_999) && holds(1_499_999));
    assert!(!holds(500_000) && !holds(999_999));
}

#[test]
fn a_client_certificate_can_be_asked_for_or_excluded() {
    let request = get("/", &[]);
    for (wanted, there, expected) in [
        (Some(true), true, true),
        (Some(true), false, false),
        (Some(false), true, false),
        (None, true, true),
    ] {
        let condition = RouteMatch {
            client_certificate: wanted,
            ..any_path()
        };
        let facts = Facts {
            random: 0,
            client_certificate: there,
        };
        let holds = crate::conditions::holds(&condition, &Subject::of(&request), &facts);
        assert_eq!(holds.is_some(), expected, "{wanted:?} {there}");
    }
}
