use std::sync::Arc;

use graph::route::{Case, PathMatch, RouteTable, VirtualHost};

use super::{answering, any_path, bytes, fields, get, on};
use crate::{Facts, needs_https, route, virtual_host};

fn host(name: &str) -> Arc<VirtualHost> {
    Arc::new(VirtualHost {
        name: name.into(),
        routes: vec![answering(name, any_path())],
        ..VirtualHost::default()
    })
}

fn table(ignore_port: bool) -> RouteTable {
    let mut table = RouteTable {
        ignore_port,
        ..RouteTable::default()
    };
    table.exact.insert(b"foo.com", &host("exact")).unwrap();
    table.exact.insert(b"[::1]", &host("six")).unwrap();
    table.exact.insert(b"p.com:81", &host("port")).unwrap();
    table.suffixes = vec![
        (bytes(".bar.foo.com"), host("suf2")),
        (bytes(".foo.com"), host("suf")),
        (bytes("-x.com"), host("sufd")),
    ];
    table.prefixes = vec![
        (bytes("foo.bar."), host("pre2")),
        (bytes("foo."), host("pre")),
    ];
    table
}

/// Envoy 1.40: without and with `ignore_port_in_host_matching`.
#[test]
fn the_virtual_host_is_the_most_specific_one() {
    let cases = [
        ("foo.com", "exact", "exact"),
        ("FOO.com", "exact", "exact"),
        ("a.foo.com", "suf", "suf"),
        ("b.bar.foo.com", "suf2", "suf2"),
        (".foo.com", "", ""),
        ("x-x.com", "sufd", "sufd"),
        ("-x.com", "", ""),
        ("foo.org", "pre", "pre"),
        ("foo.bar.org", "pre2", "pre2"),
        ("foo.", "", ""),
        ("foo.com:80", "pre", "exact"),
        ("foo.com:", "pre", "exact"),
        ("foo.com:x", "pre", "exact"),
        ("p.com:81", "port", ""),
        ("p.com", "", ""),
        ("[::1]", "six", "six"),
        ("[::1]:80", "", "six"),
        ("other", "", ""),
        ("a.foo.com:99", "", "suf"),
        ("1:2:3", "", ""),
    ];
    for (ignore_port, pick) in [(false, 0), (true, 1)] {
        let table = table(ignore_port);
        for (authority, exact, without_port) in cases {
            let name = virtual_host(&table, authority.as_bytes()).map_or("", |v| &v.name);
            assert_eq!(
                name,
                [exact, without_port][pick],
                "{authority} {ignore_port}"
            );
        }
    }
}

#[test]
fn the_default_takes_what_no_domain_does() {
    let mut table = table(false);
    table.default = Some(host("def"));
    assert_eq!(&*virtual_host(&table, b"other").unwrap().name, "def");
    let long = "A".repeat(1000);
    assert_eq!(&*virtual_host(&table, long.as_bytes()).unwrap().name, "def");
}

#[test]
fn a_long_name_in_capitals_is_found_like_a_short_one() {
    let mut table = RouteTable::default();
    let long = "a".repeat(400);
    table.exact.insert(long.as_bytes(), &host("long")).unwrap();
    let found = virtual_host(&table, long.to_uppercase().as_bytes()).unwrap();
    assert_eq!(&*found.name, "long");
}

#[test]
fn the_first_route_that_applies_is_it() {
    let mut table = RouteTable::default();
    let prefix = |p: &str| on(PathMatch::Prefix(bytes(p), Case::Sensitive));
    table.default = Some(Arc::new(VirtualHost {
        routes: vec![
            answering("first", prefix("/a/b")),
            answering("second", prefix("/a")),
            answering("third", prefix("/a/b/c")),
        ],
        ..VirtualHost::default()
    }));
    let facts = Facts {
        random: 0,
        client_certificate: false,
    };
    let found = |path: &str| {
        let request = get(path, &[]);
        route(&table, &request, &facts).map(|m| (m.route.name.to_string(), m.matched))
    };
    assert_eq!(found("/a/b/c"), Some(("first".into(), 4)));
    assert_eq!(found("/ax"), Some(("second".into(), 2)));
    assert_eq!(found("/b"), None);
    let no_authority = fields(&[(":method", "GET"), (":path", "/a")]);
    assert!(route(&table, &no_authority, &facts).is_none());
}

#[test]
fn a_host_that_demands_tls_sends_plaintext_away() {
    let host = VirtualHost {
        require_tls: true,
        ..VirtualHost::default()
    };
    assert!(needs_https(
        &host,
        &get("/", &[("x-forwarded-proto", "http")])
    ));
    assert!(!needs_https(
        &host,
        &get("/", &[("x-forwarded-proto", "https")])
    ));
    assert!(!needs_https(&VirtualHost::default(), &get("/", &[])));
}
