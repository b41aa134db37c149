use graph::route::{Redirect, RedirectPath};

use super::{bytes, fields, regex};
use crate::{https_redirect, redirect};

fn plain() -> Redirect {
    Redirect {
        status: 301,
        scheme: None,
        https: false,
        host: None,
        port: None,
        path: RedirectPath::Same,
        strip_query: false,
    }
}

fn location(to: &Redirect, authority: &str, path: &str, matched: usize, proto: &str) -> String {
    let request = fields(&[
        (":method", "GET"),
        (":authority", authority),
        (":path", path),
        ("x-forwarded-proto", proto),
    ]);
    let made = redirect(&request, to, matched, proto.as_bytes());
    assert_eq!(made.status, to.status);
    String::from_utf8(made.location).unwrap()
}

/// Envoy 1.40; every request came without TLS unless the case says `https`.
#[test]
fn locations_are_composed_as_envoy_composes_them() {
    let https = Redirect {
        https: true,
        ..plain()
    };
    let scheme = Redirect {
        scheme: Some("ftp".into()),
        ..plain()
    };
    let host = Redirect {
        host: Some("n.com".into()),
        ..plain()
    };
    let port = Redirect {
        port: Some(99),
        ..plain()
    };
    let both = Redirect {
        host: Some("n.com:7".into()),
        port: Some(99),
        ..plain()
    };
    let cases = [
        (&https, "t", "http", "https://t/p?q=1"),
        (&https, "t:80", "http", "https://t/p?q=1"),
        (&https, "t:443", "http", "https://t:443/p?q=1"),
        (&https, "t:8080", "http", "https://t:8080/p?q=1"),
        (&https, "t:443", "https", "https://t:443/p?q=1"),
        (&https, "t:80", "https", "https://t:80/p?q=1"),
        (&https, "[::1]:80", "http", "https://[::1]/p?q=1"),
        (&https, "[::1]", "http", "https://[::1]/p?q=1"),
        (&scheme, "t:80", "http", "ftp://t/p?q=1"),
        (&scheme, "t:443", "http", "ftp://t:443/p?q=1"),
        (&scheme, "t:443", "https", "ftp://t/p?q=1"),
        (&host, "t:8080", "http", "http://n.com/p?q=1"),
        (&port, "t", "http", "http://t:99/p?q=1"),
        (&port, "t:8080", "http", "http://t:99/p?q=1"),
        (&both, "t", "http", "http://n.com:7:99/p?q=1"),
    ];
    for (to, authority, proto, expected) in cases {
        let made = location(to, authority, "/p?q=1", 1, proto);
        assert_eq!(made, expected, "{to:?} {authority} {proto}");
    }
}

/// Envoy 1.40.
#[test]
fn paths_of_locations_are_composed_as_envoy_composes_them() {
    let with = |path: RedirectPath, strip_query: bool| Redirect {
        path,
        strip_query,
        ..plain()
    };
    let whole = |p: &str| RedirectPath::Whole(bytes(p));
    let prefix = || RedirectPath::Prefix(bytes("/new"));
    let cases = [
        (with(RedirectPath::Same, true), "/p?q=1", 1, "/p"),
        (with(whole("/np"), false), "/p?q=1", 1, "/np?q=1"),
        (with(whole("/np"), false), "/p", 1, "/np"),
        (with(whole("/np?z=1"), true), "/p?q=1", 1, "/np?z=1"),
        (with(whole("/np"), true), "/p?q=1", 1, "/np"),
        (with(whole("np"), false), "/p?q=1", 1, "/np?q=1"),
        (with(prefix(), false), "/old/x?y", 4, "/new/x?y"),
        (with(prefix(), false), "/oldx", 4, "/newx"),
        (with(prefix(), true), "/old/x?y", 4, "/new/x"),
        (with(prefix(), false), "/old?x=1", 4, "/new?x=1"),
        (
            with(
                RedirectPath::Regex(regex("/r/(.)"), bytes("/x/${1}${1}")),
                false,
            ),
            "/r/a/r/b?r=/r/q",
            8,
            "/x/aa/x/bb?r=/r/q",
        ),
    ];
    for (to, path, matched, expected) in cases {
        let made = location(&to, "t", path, matched, "http");
        assert_eq!(made, format!("http://t{expected}"), "{to:?}");
    }
}

/// Envoy 1.40, `require_tls: ALL`.
#[test]
fn a_host_that_demands_tls_answers_with_the_same_by_https() {
    let request = fields(&[(":authority", "t:8080"), (":path", "/p?q=1")]);
    let made = https_redirect(&request);
    assert_eq!(made.location, b"https://t:8080/p?q=1");
    assert_eq!(made.status, 301);
}
