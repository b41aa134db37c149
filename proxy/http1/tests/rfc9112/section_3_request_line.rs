//! RFC 9112, 3: request line.

use http1::{BodyLength, Config, Connection, Error, Role, SendError};

use crate::drive::{Seen, ask, asked, headers, list, value, written};

fn target(method: &str, target: &str) -> Result<Vec<Seen>, Error> {
    ask(format!("{method} {target} HTTP/1.1\r\nhost: h\r\n\r\n"))
}

fn sent(of: &[(&str, &str)]) -> Result<String, SendError> {
    let mut conn = Connection::new(Role::Client, Config::default());
    conn.send_request(&headers(of), BodyLength::Empty)?;
    Ok(written(&mut conn))
}

#[test]
fn s3_a_request_line_is_presented_as_http_2_presents_it() {
    let seen =
        ask("GET /a/b?c=d HTTP/1.1\r\nHost: Example.org:8080\r\nUser-Agent: u\r\n\r\n").unwrap();
    let Seen::Request { fields, .. } = &seen[0] else {
        panic!()
    };
    let want = list(&[
        (":method", "GET"),
        (":path", "/a/b?c=d"),
        (":authority", "Example.org:8080"),
        ("user-agent", "u"),
    ]);
    assert_eq!(fields, &want);
}

#[test]
fn s3_white_space_other_than_one_space_between_the_parts_is_refused() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /\tHTTP/1.1",
        "GET / a HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET",
        "GET ",
        " GET / HTTP/1.1",
        "GET /\x0bHTTP/1.1",
    ] {
        let error = ask(format!("{line}\r\nhost: a\r\n\r\n")).unwrap_err();
        let low_version = (426, "low_version");
        let is = (error.status(), error.details());
        assert!(is.0 == 400 || is == low_version, "{line:?}: {error}");
    }
}

#[test]
fn s3_no_white_space_or_control_character_is_in_a_target() {
    for bad in ["/\x01", "/\x7f", "/\x0c", "/\0"] {
        assert_eq!(target("GET", bad), Err(Error::InvalidCharacter), "{bad:?}");
    }
    for bad in ["/a\tb", "/\u{80}", ""] {
        assert_eq!(target("GET", bad), Err(Error::RequestLine), "{bad:?}");
    }
    assert_eq!(target("GET", "/a#b"), Err(Error::Fragment));
    assert_eq!(Error::Fragment.details(), "path_normalization_failed");
}

#[test]
fn s3_a_target_longer_than_the_bound_is_refused_with_431_as_envoy_does() {
    let error = target("GET", &format!("/{}", "a".repeat(61 * 1024))).unwrap_err();
    assert_eq!(
        (error.status(), error.details()),
        (431, "http1.headers_too_large")
    );
    let long = format!("/{}", "a".repeat(59 * 1024));
    assert_eq!(
        value(&target("GET", &long).unwrap(), ":path").unwrap(),
        long
    );
}

#[test]
fn s3_1_the_method_is_case_sensitive_and_a_token() {
    for bad in ["get", "G(T", "", "G\tT", "G@T", "GET:", "\"GET\""] {
        let error = target(bad, "/").unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.codec_error"),
            "{bad:?}"
        );
    }
    for method in [
        "GET",
        "POST",
        "PATCH",
        "QUERY",
        "PROPFIND",
        "MSEARCH",
        "UNSUBSCRIBE",
        "TRACE",
    ] {
        assert_eq!(
            value(&target(method, "/").unwrap(), ":method").unwrap(),
            method
        );
    }
}

#[test]
fn s3_1_methods_that_envoy_does_not_know_are_taken_where_custom_methods_are() {
    let request = "M-SEARCH / HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(ask(request), Err(Error::Method));
    let config = Config {
        allow_custom_methods: true,
        ..Config::default()
    };
    let seen = asked(&mut Connection::new(Role::Server, config), request).unwrap();
    assert_eq!(value(&seen, ":method").unwrap(), "M-SEARCH");
    assert_eq!(
        asked(
            &mut Connection::new(Role::Server, config),
            "(/ / HTTP/1.1\r\nhost: a\r\n\r\n"
        ),
        Err(Error::RequestLine)
    );
}

#[test]
fn s3_2_a_request_of_http_1_1_without_host_is_answered_with_400() {
    for line in ["GET /", "GET http://a/", "CONNECT a:80", "OPTIONS *"] {
        let error = ask(format!("{line} HTTP/1.1\r\nx: y\r\n\r\n")).unwrap_err();
        assert_eq!(
            (error, error.status(), error.details()),
            (Error::HostMissing, 400, "missing_host_header")
        );
    }
}

#[test]
fn s3_2_more_than_one_host_is_answered_with_400() {
    for second in ["a", "b", ""] {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\nHOST: {second}\r\n\r\n");
        assert_eq!(ask(request), Err(Error::HostRepeated));
    }
    assert_eq!(Error::HostRepeated.status(), 400);
}

#[test]
fn s3_2_an_invalid_host_is_answered_with_400() {
    for bad in [
        "a b", "a/b", "a?b", "a#b", "a@b", "a:b", "a:80:80", "<a>", "a\\b", "a\"b", "a|b", "a%2",
        "a%zz", "[::1", "[]", "::1", "[::1]x", "[g]", ":80", "a^b", "a`b", "{a}",
    ] {
        assert_eq!(
            ask(format!("GET / HTTP/1.1\r\nhost: {bad}\r\n\r\n")),
            Err(Error::Authority),
            "{bad:?}"
        );
    }
    assert_eq!(
        ask(b"GET / HTTP/1.1\r\nhost: \xff\r\n\r\n"),
        Err(Error::Authority)
    );
    assert_eq!(
        (Error::Authority.status(), Error::Authority.details()),
        (400, "http.invalid_authority")
    );
    for good in [
        "a",
        "A.b",
        "a_b",
        "a:80",
        "a:",
        "1.2.3.4:5",
        "[::1]",
        "[::ffff:1.2.3.4]:80",
        "a%20b",
        "a,b",
        "a~b!$&'()*+;=",
    ] {
        let seen = ask(format!("GET / HTTP/1.1\r\nhost: {good}\r\n\r\n")).unwrap();
        assert_eq!(value(&seen, ":authority").unwrap(), good);
    }
}

#[test]
fn s3_2_an_invalid_host_is_refused_even_where_the_target_has_an_authority() {
    assert_eq!(
        ask("GET http://a/ HTTP/1.1\r\nhost: b c\r\n\r\n"),
        Err(Error::Authority)
    );
    assert_eq!(
        ask("GET http://a/ HTTP/1.1\r\nhost: b\r\nhost: b\r\n\r\n"),
        Err(Error::HostRepeated)
    );
}

#[test]
fn s3_2_an_empty_host_is_the_authority_of_a_target_that_has_none() {
    assert_eq!(
        value(
            &ask("GET / HTTP/1.1\r\nhost:\r\n\r\n").unwrap(),
            ":authority"
        )
        .unwrap(),
        ""
    );
}

#[test]
fn s3_2_host_is_sent_first_in_every_request_empty_where_there_is_no_authority() {
    assert_eq!(
        sent(&[
            (":method", "GET"),
            ("x", "y"),
            (":path", "/"),
            (":authority", "a:1"),
            ("host", "other")
        ])
        .unwrap(),
        "GET / HTTP/1.1\r\nhost: a:1\r\nx: y\r\n\r\n"
    );
    assert_eq!(
        sent(&[(":method", "GET"), (":path", "/")]).unwrap(),
        "GET / HTTP/1.1\r\nhost: \r\n\r\n"
    );
}

#[test]
fn s3_2_1_a_request_without_a_path_is_not_sent() {
    for path in ["", "a", "http://b/", "?x", "/a b", "/\r\nx: y"] {
        let head = [(":method", "GET"), (":authority", "a"), (":path", path)];
        assert_eq!(sent(&head), Err(SendError::Head), "{path:?}");
    }
    assert_eq!(
        sent(&[(":method", "GET"), (":authority", "a")]),
        Err(SendError::Head)
    );
}

#[test]
fn s3_2_2_absolute_form_is_accepted_and_its_authority_replaces_host() {
    for (form, authority, path) in [
        ("http://b/x", "b", "/x"),
        ("HTTP://b:80/x?y", "b:80", "/x?y"),
        ("https://[::1]:1/", "[::1]:1", "/"),
        ("http://b", "b", "/"),
        ("http://b?x", "b", "/?x"),
        ("http://b/http://c", "b", "/http://c"),
    ] {
        for host in ["h", "", "b"] {
            let seen = ask(format!("GET {form} HTTP/1.1\r\nhost: {host}\r\n\r\n")).unwrap();
            assert_eq!(value(&seen, ":authority").unwrap(), authority);
            assert_eq!(value(&seen, ":path").unwrap(), path);
            assert_eq!(value(&seen, "host"), None);
        }
    }
}

#[test]
fn s3_2_2_absolute_forms_that_are_none_are_refused() {
    for bad in [
        "http:///x",
        "http://",
        "http://u@b/",
        "http:/b",
        "http:b",
        "://b/",
        "b/x",
        "a",
        "http://b:x/",
        "http://b c/",
        "*",
    ] {
        let error = target("GET", bad).unwrap_err();
        assert_eq!(error.status(), 400, "{bad:?}: {error}");
    }
    assert_eq!(
        target("GET", "ftp://b/x").unwrap_err().details(),
        "http1.invalid_scheme"
    );
    assert_eq!(
        target("GET", "*").unwrap_err().details(),
        "http1.invalid_url"
    );
}

#[test]
fn s3_2_2_a_new_host_is_generated_from_the_target() {
    let seen = ask("GET http://b/x HTTP/1.1\r\nhost: evil\r\n\r\n").unwrap();
    let Seen::Request { fields, .. } = &seen[0] else {
        panic!()
    };
    let texts: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), std::str::from_utf8(v).unwrap()))
        .collect();
    assert_eq!(sent(&texts).unwrap(), "GET /x HTTP/1.1\r\nhost: b\r\n\r\n");
}

#[test]
fn s3_2_3_authority_form_is_of_connect_alone_and_has_a_port() {
    let seen = target("CONNECT", "b:443").unwrap();
    assert_eq!(value(&seen, ":authority").unwrap(), "b:443");
    assert_eq!(value(&seen, ":path"), None);
    for bad in [
        "b",
        "b:",
        "/b",
        "http://b/",
        "*",
        ":80",
        "b:x",
        "u@b:80",
        "[::1]",
    ] {
        assert_eq!(target("CONNECT", bad), Err(Error::Target), "{bad:?}");
    }
    assert_eq!(target("GET", "b:443"), Err(Error::RequestLine));
}

#[test]
fn s3_2_3_connect_sends_host_and_port_alone() {
    assert_eq!(
        sent(&[(":method", "CONNECT"), (":authority", "b:443")]).unwrap(),
        "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n"
    );
    assert_eq!(sent(&[(":method", "CONNECT")]), Err(SendError::Head));
}

#[test]
fn s3_2_4_asterisk_form_is_of_options_alone() {
    assert_eq!(
        value(&target("OPTIONS", "*").unwrap(), ":path").unwrap(),
        "*"
    );
    for (method, bad) in [
        ("GET", "*"),
        ("POST", "*"),
        ("OPTIONS", "*x"),
        ("OPTIONS", "**"),
    ] {
        assert_eq!(target(method, bad), Err(Error::Target));
    }
    assert!(
        sent(&[(":method", "OPTIONS"), (":path", "*"), (":authority", "a")])
            .unwrap()
            .starts_with("OPTIONS * HTTP/1.1\r\n")
    );
}

#[test]
fn s3_2_4_options_of_a_target_without_path_and_query_becomes_an_asterisk() {
    assert_eq!(
        value(&target("OPTIONS", "http://b:8001").unwrap(), ":path").unwrap(),
        "*"
    );
    assert_eq!(
        value(&target("OPTIONS", "http://b/").unwrap(), ":path").unwrap(),
        "/"
    );
    assert_eq!(
        value(&target("OPTIONS", "http://b?q").unwrap(), ":path").unwrap(),
        "/?q"
    );
}
