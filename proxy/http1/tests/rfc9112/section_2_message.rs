//! RFC 9112, 2: message.

use http1::{BodyLength, Error};

use crate::drive::{
    Seen, answer, ask, asked, content, fields, get, headers, old_server, post, reply, server,
    value, written,
};

#[test]
fn s2_2_a_message_is_parsed_as_octets_of_a_superset_of_us_ascii() {
    let mut request = get("x: \r\n").into_bytes();
    let at = request.len() - 4;
    request.splice(at..at, [b'\x80', 0xc3, 0xff]);
    let Seen::Request { fields, .. } = &ask(&request).unwrap()[0] else {
        panic!()
    };
    assert_eq!(
        fields.last().unwrap(),
        &("x".to_owned(), vec![0x80, 0xc3, 0xff])
    );
}

#[test]
fn s2_2_a_single_line_feed_ends_a_line_of_a_head_as_with_envoy() {
    let with = ask("GET /p HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n").unwrap();
    assert_eq!(ask("GET /p HTTP/1.1\nhost: a\nx: y\n\n").unwrap(), with);
    assert_eq!(ask("GET /p HTTP/1.1\r\nhost: a\nx: y\r\n\n").unwrap(), with);
    let response = answer("GET", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok").unwrap();
    assert_eq!(content(&response), b"ok");
}

#[test]
fn s2_2_a_bare_cr_makes_the_element_invalid() {
    for (request, error) in [
        (
            "GET /\r HTTP/1.1\r\nhost: a\r\n\r\n",
            Error::InvalidCharacter,
        ),
        ("GET / HTTP/1.1\r\r\nhost: a\r\n\r\n", Error::RequestLine),
        ("G\rET / HTTP/1.1\r\nhost: a\r\n\r\n", Error::Method),
        (
            "GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
            Error::InvalidCharacter,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nx: b\rc\r\n\r\n",
            Error::InvalidCharacter,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nx\r: b\r\n\r\n",
            Error::FieldName,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\n\rx: b\r\n\r\n",
            Error::FieldName,
        ),
        ("\rGET / HTTP/1.1\r\nhost: a\r\n\r\n", Error::RequestLine),
    ] {
        assert_eq!(ask(request), Err(error), "{request:?}");
        assert_eq!(error.status(), 400);
    }
    assert_eq!(
        answer("GET", "HTTP/1.1 200 O\rK\r\n\r\n"),
        Err(Error::StatusLine)
    );
}

#[test]
fn s2_2_a_bare_cr_is_never_generated() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    for bad in ["a\rb", "a\r\nx: y", "a\nb", "a\0b"] {
        let h = headers(&[(":status", "200"), ("x", bad)]);
        assert_eq!(
            conn.send_response(&h, BodyLength::Empty),
            Err(http1::SendError::Field)
        );
    }
    assert_eq!(conn.output(), b"");
    assert!(reply(&mut conn, "200", &[], BodyLength::Empty).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn s2_2_empty_lines_before_a_request_line_are_ignored_in_bounded_number() {
    let plain = ask(get("")).unwrap();
    for before in ["\r\n", "\n", "\r\n\r\n\r\n", "\r\n\n\r\n"] {
        assert_eq!(
            ask(format!("{before}{}", get(""))).unwrap(),
            plain,
            "{before:?}"
        );
    }
    assert_eq!(ask("\r\n".repeat(31_000)), Err(Error::HeadTooLarge));
    let mut conn = server();
    let mut all = Ok(Vec::new());
    for _ in 0..31_000 {
        all = asked(&mut conn, "\r\n");
    }
    assert_eq!(all, Err(Error::HeadTooLarge));
}

#[test]
fn s2_2_a_connection_that_has_only_had_empty_lines_is_idle() {
    let mut conn = server();
    asked(&mut conn, "\r\n\r").unwrap();
    assert!(conn.is_idle());
    asked(&mut conn, "\nG").unwrap();
    assert!(!conn.is_idle());
}

#[test]
fn s2_2_white_space_between_start_line_and_first_field_is_refused() {
    for request in [
        "GET / HTTP/1.1\r\n host: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\thost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n \r\nhost: a\r\n\r\n",
    ] {
        assert_eq!(ask(request), Err(Error::ObsoleteFold), "{request:?}");
    }
    assert_eq!(
        answer("GET", "HTTP/1.1 200 OK\r\n x: y\r\n\r\n"),
        Err(Error::ObsoleteFold)
    );
}

#[test]
fn s2_2_octets_that_are_no_http_are_answered_with_400_at_once() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\0",
        b" GET",
        b"{\"a\":1}\n\n",
        b"\xff\xff",
    ] {
        let error = ask(bytes).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.codec_error"),
            "{bytes:?}"
        );
    }
    assert_eq!(answer("GET", "SSH-2.0"), Err(Error::StatusLine));
    assert_eq!(answer("GET", "HTTP/2"), Err(Error::StatusLine));
}

#[test]
fn s2_2_after_an_error_the_server_can_answer_and_closes() {
    let mut conn = server();
    assert_eq!(
        asked(&mut conn, "GET / HTTP/1.1\r\n\r\n"),
        Err(Error::HostMissing)
    );
    assert!(!conn.wants_input());
    assert!(!conn.keep_alive());
    assert_eq!(
        reply(&mut conn, "400", &[], BodyLength::Empty),
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    assert!(conn.should_close());
    assert_eq!(asked(&mut conn, get("")), Err(Error::HostMissing));
}

#[test]
fn s2_3_forwarded_messages_have_the_own_version() {
    let seen = asked(&mut old_server(), "GET /p HTTP/1.0\r\nhost: a\r\n\r\n").unwrap();
    let Seen::Request { fields: came, .. } = &seen[0] else {
        panic!()
    };
    let mut out = http1::Connection::new(http1::Role::Client, http1::Config::default());
    let mut head = headers::Headers::new();
    head.extend(came.iter().map(|(n, v)| (n.as_bytes(), v.as_slice())));
    assert_eq!(&fields(&head), came);
    out.send_request(&head, BodyLength::Empty).unwrap();
    assert_eq!(written(&mut out), "GET /p HTTP/1.1\r\nhost: a\r\n\r\n");
}

#[test]
fn s2_3_the_version_is_case_sensitive_and_of_two_digits() {
    for version in [
        "http/1.1",
        "HTTP/1",
        "HTTP/1.10",
        "HTTP/11",
        "HTTP/ 1.1",
        "HTTP/a.1",
        "FTP/1.1",
        "HTTP/1.1x",
    ] {
        assert_eq!(
            ask(format!("GET / {version}\r\nhost: a\r\n\r\n")),
            Err(Error::RequestLine),
            "{version}"
        );
    }
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
        let error = ask(format!("GET / {version}\r\nhost: a\r\n\r\n")).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (426, "low_version"),
            "{version}"
        );
    }
    assert_eq!(ask("GET /\r\n\r\n"), Err(Error::Version));
    assert_eq!(
        answer("GET", "http/1.1 200 OK\r\n\r\n"),
        Err(Error::StatusLine)
    );
}

#[test]
fn s2_3_http_1_0_is_refused_unless_it_is_accepted() {
    let request = "GET / HTTP/1.0\r\nhost: a\r\n\r\n";
    let error = ask(request).unwrap_err();
    assert_eq!((error.status(), error.details()), (426, "low_version"));
    assert_eq!(
        value(&asked(&mut old_server(), request).unwrap(), ":path").unwrap(),
        "/"
    );
    let mut conn = server();
    asked(&mut conn, request).unwrap_err();
    assert!(
        reply(&mut conn, "426", &[], BodyLength::Empty)
            .starts_with("HTTP/1.1 426 Upgrade Required\r\n")
    );
}

#[test]
fn s2_3_a_response_of_a_higher_minor_version_is_read_as_1_1() {
    let seen = answer("GET", "HTTP/1.9 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert!(matches!(
        seen[0],
        Seen::Response {
            version: http1::Version::Http11,
            ..
        }
    ));
}

#[test]
fn a_body_is_not_mistaken_for_lines() {
    let seen = ask(post("content-length: 18\r\n", "GET / HTTP/1.1\r\n\r\n")).unwrap();
    assert_eq!(content(&seen), b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(seen.len(), 3);
}
