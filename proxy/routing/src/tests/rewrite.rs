use graph::route::{HostRewrite, PathRewrite};

use super::{Fields, bytes, get, regex, text};
use crate::{rewrite_host, rewrite_path};

/// Envoy 1.40; `x-envoy-original-path` is there even where nothing changed.
#[test]
fn paths_are_rewritten_and_the_old_one_is_kept() {
    let prefix = |p: &str| PathRewrite::Prefix(bytes(p));
    let groups = PathRewrite::Regex(regex("^/rx/([^/]+)(/.*)?$"), bytes("${2}/x/${1}"));
    let none = PathRewrite::Regex(regex("zzz"), bytes("y"));
    let cases = [
        (&prefix("/"), "/p/a?x", 3, "/a?x"),
        (&prefix("/"), "/p/", 3, "/"),
        (&prefix("/ne"), "/exact?q=1", 6, "/ne?q=1"),
        (&prefix("/same"), "/same/a", 5, "/same/a"),
        (&prefix("/n"), "/sep", 4, "/n"),
        (&prefix("/n"), "/ci/x", 3, "/n/x"),
        (&groups, "/rx/one/two?z=/rx/q", 3, "/two/x/one?z=/rx/q"),
        (&none, "/nomatch/a", 8, "/nomatch/a"),
    ];
    for (rewrite, path, matched, expected) in cases {
        let mut request = get(path, &[]);
        assert!(rewrite_path(&mut request, rewrite, matched, true));
        assert_eq!(text(&request, ":path").unwrap(), expected, "{path}");
        assert_eq!(text(&request, "x-envoy-original-path").unwrap(), path);
    }
}

#[test]
fn without_a_rewrite_or_with_headers_suppressed_no_old_path_is_kept() {
    let mut request = get("/a", &[]);
    assert!(!rewrite_path(&mut request, &PathRewrite::None, 1, true));
    assert_eq!(text(&request, "x-envoy-original-path"), None);
    assert!(rewrite_path(
        &mut request,
        &PathRewrite::Prefix(bytes("/b")),
        2,
        false
    ));
    assert_eq!(text(&request, ":path").unwrap(), "/b");
    assert_eq!(text(&request, "x-envoy-original-path"), None);
}

/// Envoy 1.40: literal, header, an empty header, none.
#[test]
fn authorities_are_rewritten_and_the_old_one_is_kept() {
    let literal = HostRewrite::Literal(bytes("lit.com"));
    let header = HostRewrite::Header(bytes("x-h"));
    let cases: [(&HostRewrite, Fields<'_>, Option<&str>, Option<&str>); 6] = [
        (&literal, &[], None, Some("lit.com")),
        (&header, &[("x-h", "newh")], None, Some("newh")),
        (&header, &[("x-h", "")], None, None),
        (&header, &[], None, None),
        (&HostRewrite::Auto, &[], Some("dns.name"), Some("dns.name")),
        (&HostRewrite::Auto, &[], None, None),
    ];
    for (rewrite, more, hostname, expected) in cases {
        let mut request = get("/", more);
        let done = rewrite_host(&mut request, rewrite, hostname, true);
        assert_eq!(done, expected.is_some(), "{rewrite:?}");
        assert_eq!(
            text(&request, ":authority").unwrap(),
            expected.unwrap_or("h")
        );
        let kept = text(&request, "x-envoy-original-host");
        assert_eq!(kept.as_deref(), expected.map(|_| "h"));
    }
}
