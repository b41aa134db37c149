//! Requests in plaintext.

use envoy_types::pb::envoy::config::route::v3 as route;
use route::redirect_action::SchemeRewriteSpecifier;

use crate::behind;
use crate::callers::{Comparison, curl, raw};
use crate::planes::{Planes, free};
use crate::resources::{cluster, host, listener, one, requests, routes, with_routes};

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_outside_get_what_envoy_gives_them() {
    let echo = behind::echo();
    let [port, nowhere] = free();
    let name = format!("http.{port}");
    let redirect = route::route::Action::Redirect(route::RedirectAction {
        scheme_rewrite_specifier: Some(SchemeRewriteSpecifier::HttpsRedirect(true)),
        response_code: route::redirect_action::RedirectResponseCode::PermanentRedirect.into(),
        ..Default::default()
    });
    let tls_alone = route::VirtualHost {
        require_tls: route::virtual_host::TlsRequirementType::All.into(),
        ..host("secure.example.com", "behind")
    };
    let hosts = vec![
        host("www.example.com", "behind"),
        host("*.wild.example.com", "behind"),
        tls_alone,
        with_routes("moved.example.com", vec![one("/old", redirect)]),
    ];
    let planes = Planes::start(|ip| {
        vec![
            cluster("behind", echo),
            routes(&name, hosts.clone()),
            routes("nothing", Vec::new()),
            listener(ip, port, vec![requests(&name)]),
            listener(ip, nowhere, vec![requests("nothing")]),
        ]
    })
    .await;
    let mut both = Comparison::of(&planes);
    let www = "www.example.com";
    for (name, host, arguments, path, expected) in [
        (
            "a request",
            www,
            &[][..],
            "/a?b=c#d",
            &["server: istio-envoy", "GET /a?b=c "][..],
        ),
        (
            "HTTP/2",
            www,
            &["--http2-prior-knowledge"],
            "/",
            &["HTTP/2 200"],
        ),
        ("HTTP/1.0", www, &["--http1.0"], "/", &["426"]),
        (
            "the name in capitals",
            "WWW.example.com",
            &[],
            "/",
            &["200"],
        ),
        (
            "a name of a pattern",
            "a.b.wild.example.com",
            &[],
            "/",
            &["200"],
        ),
        (
            "the pattern's own end",
            "wild.example.com",
            &[],
            "/",
            &["404"],
        ),
        ("a host of nobody", "other.example.com", &[], "/", &["404"]),
        ("dots", www, &[], "/a/./b/../c", &["GET /a/c "]),
        ("escaped dots", www, &[], "/a/%2e%2e/c", &["GET /c "]),
        (
            "escaped slashes",
            www,
            &[],
            "/a%2Fb%5cc",
            &["GET /a%2Fb%5cc "],
        ),
        ("many slashes", www, &[], "/a//b", &["GET /a//b "]),
        (
            "a redirection",
            "secure.example.com",
            &[],
            "/a?b",
            &["301", "location: https://"],
        ),
        (
            "of a POST",
            "secure.example.com",
            &["--data", "x"],
            "/",
            &["301"],
        ),
        (
            "over HTTP/2",
            "secure.example.com",
            &["--http2-prior-knowledge"],
            "/",
            &["301"],
        ),
        (
            "a route that redirects",
            "moved.example.com",
            &[],
            "/old/a",
            &["308", "location: https://"],
        ),
        ("beside it", "moved.example.com", &[], "/new", &["404"]),
    ] {
        both.case(name, expected, |plane| {
            curl(plane, host, port, arguments, path)
        });
    }
    both.case("no routes at all", &["404"], |plane| {
        curl(plane, www, nowhere, &[], "/")
    });
    for (name, field, expected) in [
        (
            "who forwarded",
            "x-forwarded-for: 10.1.2.3",
            "x-forwarded-for: 10.1.2.3,",
        ),
        (
            "who forwarded, from outside",
            "x-forwarded-for: 8.8.8.8, 1.2.3.4",
            "x-forwarded-for: 8.8.8.8",
        ),
        ("how", "x-forwarded-proto: https", "x-forwarded-proto: http"),
        (
            "the host before",
            "x-forwarded-host: a.b",
            "x-forwarded-host: a.b",
        ),
        (
            "the client's certificate",
            "x-forwarded-client-cert: By=spiffe://a;Hash=b",
            "200",
        ),
        ("commands of Envoy's", "x-envoy-retry-on: 5xx", "200"),
        ("an original path", "x-envoy-original-path: /x", "200"),
        ("a timeout", "x-envoy-upstream-rq-timeout-ms: 1", "200"),
        ("inside", "x-envoy-internal: true", "200"),
        (
            "the address itself",
            "x-envoy-external-address: 1.2.3.4",
            "200",
        ),
        ("an id", "x-request-id: abc", "200"),
        ("via", "via: 1.1 a", "via: 1.1 a"),
        ("a peer", "x-envoy-peer-metadata-id: a", "200"),
        ("hop by hop", "connection: x-b\r\nx-b: 1", "200"),
    ] {
        both.case(name, &[expected], |plane| {
            let head =
                format!("GET / HTTP/1.1\r\nhost: {www}\r\n{field}\r\nconnection: close\r\n\r\n");
            raw(plane, port, &head)
        });
    }
    for (name, sent, expected) in [
        (
            "a proxy's request",
            format!("GET http://{www}/a HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n"),
            "GET /a ",
        ),
        (
            "https in plaintext",
            format!("GET https://{www}/a HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n"),
            "403 Forbidden",
        ),
        (
            "a port with the host",
            format!("GET / HTTP/1.1\r\nhost: {www}:80\r\nconnection: close\r\n\r\n"),
            "200",
        ),
        (
            "TLS in plaintext",
            "\x16\x03\x01\x00\x05hello".to_owned(),
            "400",
        ),
        (
            "a path of dots",
            format!("GET /../../etc HTTP/1.1\r\nhost: {www}\r\nconnection: close\r\n\r\n"),
            "HTTP/1.1",
        ),
    ] {
        both.case(name, &[expected], |plane| raw(plane, port, &sent));
    }
    // The differential suite has these, too, with what each sends.
    both.differs(
        "a HEAD that is redirected",
        "an answer without a body to HEAD has the length that GET would have",
        |plane| curl(plane, "secure.example.com", port, &["--head"], "/"),
    );
    for (name, why, sent) in [
        (
            "trailers wanted",
            "RFC 9110, 10.1.4: te is nominated in connection",
            format!("GET / HTTP/1.1\r\nhost: {www}\r\nte: trailers\r\nconnection: close\r\n\r\n"),
        ),
        (
            "no host",
            "the answer says what is wrong",
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
        ),
        (
            "a tunnel",
            "a connection that carried an answer made here is kept where nothing is wrong with it",
            format!("CONNECT {www}:443 HTTP/1.1\r\nhost: {www}:443\r\n\r\n"),
        ),
    ] {
        both.differs(name, why, |plane| raw(plane, port, &sent));
    }
}
