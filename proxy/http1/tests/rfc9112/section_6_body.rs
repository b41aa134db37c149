//! RFC 9112, 6: message body.

use http1::{BodyLength, Error};

use crate::drive::{
    Seen, answer, ask, asked, client, content, end, get, headers, list, old_server, post, reply,
    server, value, written,
};

#[test]
fn s6_1_the_chunked_coding_is_parsed_and_told_through_the_length() {
    let seen = ask(post(
        "Transfer-Encoding: Chunked\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
    ))
    .unwrap();
    assert!(matches!(
        &seen[0],
        Seen::Request {
            body: BodyLength::Unknown,
            ..
        }
    ));
    assert_eq!(value(&seen, "transfer-encoding"), None);
    assert_eq!(content(&seen), b"abc");
    assert_eq!(seen.last(), Some(&Seen::End));
}

#[test]
fn s6_1_chunked_is_applied_once_when_sending() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    let out = reply(
        &mut conn,
        "200",
        &[("transfer-encoding", "chunked"), ("content-length", "9")],
        BodyLength::Unknown,
    );
    assert_eq!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
}

#[test]
fn s6_1_no_transfer_encoding_is_sent_in_1xx_and_204_and_2xx_to_connect() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    conn.send_informational(&headers(&[
        (":status", "103"),
        ("link", "x"),
        ("transfer-encoding", "chunked"),
    ]))
    .unwrap();
    assert_eq!(
        written(&mut conn),
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    );
    assert_eq!(
        reply(
            &mut conn,
            "204",
            &[("content-length", "3")],
            BodyLength::Unknown
        ),
        "HTTP/1.1 204 No Content\r\n\r\n"
    );
    let mut conn = server();
    asked(&mut conn, "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(
        reply(
            &mut conn,
            "200",
            &[("content-length", "3")],
            BodyLength::Unknown
        ),
        "HTTP/1.1 200 OK\r\n\r\n"
    );
}

#[test]
fn s6_1_no_transfer_encoding_is_sent_to_http_1_0() {
    let mut conn = old_server();
    asked(
        &mut conn,
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
    )
    .unwrap();
    let out = reply(&mut conn, "200", &[], BodyLength::Unknown);
    assert_eq!(out, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n");
    conn.send_data(b"abc").unwrap();
    conn.finish().unwrap();
    assert_eq!(written(&mut conn), "abc");
    assert!(conn.should_close());
}

#[test]
fn s6_1_transfer_encoding_in_http_1_0_is_faulty_framing() {
    let request = "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let error = asked(&mut old_server(), request).unwrap_err();
    assert_eq!(
        (error, error.status()),
        (Error::TransferEncodingNotAllowed, 400)
    );
    let response = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(
        answer("GET", response),
        Err(Error::TransferEncodingNotAllowed)
    );
}

#[test]
fn s6_1_a_coding_that_is_not_understood_is_answered_with_501() {
    for coding in [
        "gzip, chunked",
        "identity, chunked",
        "chunked, chunked",
        ",chunked",
        "x;a=b, chunked",
    ] {
        let error = ask(post(
            &format!("transfer-encoding: {coding}\r\n"),
            "0\r\n\r\n",
        ))
        .unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (501, "http1.invalid_transfer_encoding"),
            "{coding}"
        );
    }
    let twice = "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n";
    assert_eq!(ask(post(twice, "0\r\n\r\n")), Err(Error::TransferEncoding));
}

#[test]
fn s6_2_no_content_length_is_sent_beside_transfer_encoding() {
    let mut conn = http1::Connection::new(http1::Role::Client, http1::Config::default());
    let head = headers(&[
        (":method", "POST"),
        (":path", "/"),
        (":authority", "a"),
        ("content-length", "5"),
    ]);
    conn.send_request(&head, BodyLength::Unknown).unwrap();
    assert_eq!(
        written(&mut conn),
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    );
}

#[test]
fn s6_2_content_length_is_kept_and_sent_once() {
    let seen = ask(post("content-length: 003\r\n", "abc")).unwrap();
    assert_eq!(value(&seen, "content-length").unwrap(), "3");
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    let out = reply(
        &mut conn,
        "200",
        &[("content-length", "7"), ("x", "y"), ("content-length", "8")],
        BodyLength::Exact(3),
    );
    assert_eq!(out, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n\r\n");
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    let out = reply(&mut conn, "200", &[("x", "y")], BodyLength::Exact(3));
    assert_eq!(out, "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 3\r\n\r\n");
}

#[test]
fn s6_3_1_answers_to_head_and_204_and_304_have_no_content_whatever_their_fields_say() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n"),
    ] {
        let mut conn = client(method);
        let seen = asked(&mut conn, format!("{head}\r\n")).unwrap();
        assert!(
            matches!(
                seen[..],
                [
                    Seen::Response {
                        body: BodyLength::Empty,
                        ..
                    },
                    Seen::End
                ]
            ),
            "{head}: {seen:?}"
        );
        assert!(conn.is_idle() && conn.keep_alive());
    }
    assert_eq!(
        value(
            &answer("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").unwrap(),
            "content-length"
        )
        .unwrap(),
        "5"
    );
}

#[test]
fn s6_3_1_content_of_answers_to_head_and_of_204_and_304_is_not_sent() {
    for (method, status, length, head) in [
        (
            "HEAD",
            "200",
            BodyLength::Exact(5),
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        ),
        (
            "HEAD",
            "200",
            BodyLength::Unknown,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (
            "GET",
            "304",
            BodyLength::Exact(5),
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        ),
        (
            "GET",
            "304",
            BodyLength::Unknown,
            "HTTP/1.1 304 Not Modified\r\n\r\n",
        ),
        (
            "GET",
            "204",
            BodyLength::Exact(5),
            "HTTP/1.1 204 No Content\r\n\r\n",
        ),
    ] {
        let mut conn = server();
        asked(&mut conn, format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n")).unwrap();
        assert_eq!(reply(&mut conn, status, &[], length), head);
        conn.send_data(b"hello").unwrap();
        conn.finish().unwrap();
        assert_eq!(written(&mut conn), "");
        assert!(conn.is_idle());
    }
    let mut conn = server();
    asked(&mut conn, "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let out = reply(
        &mut conn,
        "200",
        &[("content-length", "77")],
        BodyLength::Empty,
    );
    assert_eq!(out, "HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n");
}

#[test]
fn s6_3_2_a_2xx_to_connect_makes_a_tunnel_and_its_framing_fields_are_ignored() {
    for lines in [
        "",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "content-length: 5\r\ntransfer-encoding: gzip\r\n",
    ] {
        let mut conn = client("CONNECT");
        let seen = asked(&mut conn, format!("HTTP/1.1 200 OK\r\n{lines}\r\nraw")).unwrap();
        assert!(matches!(seen[0], Seen::Response { .. }));
        assert_eq!(value(&seen, "content-length"), None);
        assert_eq!(seen[1..], [Seen::Tunnel, Seen::Data(b"raw".to_vec())]);
        conn.send_data(b"back").unwrap();
        assert_eq!(written(&mut conn), "back");
    }
}

#[test]
fn s6_3_2_another_answer_to_connect_is_framed_as_any() {
    let mut conn = client("CONNECT");
    let seen = asked(
        &mut conn,
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
    )
    .unwrap();
    assert_eq!(content(&seen), b"no");
    assert!(conn.is_idle() && conn.keep_alive());
}

#[test]
fn s6_3_3_both_content_length_and_transfer_encoding_are_refused() {
    for lines in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "content-length: 0\r\nTransfer-Encoding: CHUNKED\r\n",
        "transfer-encoding: xchunked\r\ncontent-length: 3\r\n",
    ] {
        let error = ask(post(lines, "0\r\n\r\n")).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.content_length_and_chunked_not_allowed"),
            "{lines}"
        );
        let response = format!("HTTP/1.1 200 OK\r\n{lines}\r\n0\r\n\r\n");
        assert_eq!(
            answer("GET", response),
            Err(Error::LengthAndTransferEncoding)
        );
    }
}

#[test]
fn s6_3_4_a_request_whose_last_coding_is_not_chunked_is_answered_with_400() {
    for coding in [
        "gzip",
        "chunked, gzip",
        "identity",
        "xchunked",
        "chunkedx",
        "",
        "chunked;q=1",
        "\"chunked\"",
        "chunked chunked",
    ] {
        let error = ask(post(
            &format!("transfer-encoding: {coding}\r\n"),
            "0\r\n\r\n",
        ))
        .unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.invalid_transfer_encoding"),
            "{coding}"
        );
    }
}

#[test]
fn s6_3_5_an_invalid_content_length_of_a_request_is_answered_with_400() {
    for length in [
        "+3",
        "-3",
        "0x3",
        "3a",
        "",
        "3;",
        "3 3",
        "3,3",
        "3, 3",
        "18446744073709551616",
        "99999999999999999999999",
        "\u{663}",
        "3.0",
        "1e3",
    ] {
        let error = ask(post(&format!("content-length: {length}\r\n"), "abc")).unwrap_err();
        assert_eq!(
            (error, error.status()),
            (Error::ContentLength, 400),
            "{length:?}"
        );
    }
    for second in ["3", "4"] {
        let lines = format!("content-length: 3\r\ncontent-length: {second}\r\n");
        assert_eq!(ask(post(&lines, "abc")), Err(Error::ContentLength));
    }
}

#[test]
fn s6_3_5_a_response_with_an_invalid_content_length_is_discarded_and_its_connection_closed() {
    for lines in [
        "content-length: x\r\n",
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: -1\r\n",
    ] {
        let mut conn = client("GET");
        assert_eq!(
            asked(&mut conn, format!("HTTP/1.1 200 OK\r\n{lines}\r\nok")),
            Err(Error::ContentLength)
        );
        assert!(conn.should_close() && !conn.keep_alive());
    }
}

#[test]
fn s6_3_6_content_length_delimits_the_content() {
    let mut conn = server();
    let mut seen = Vec::new();
    let rest = post("content-length: 3\r\n", "abcGET");
    let left = crate::drive::feed(&mut conn, rest.as_bytes(), &mut seen).unwrap();
    assert_eq!((content(&seen), left), (b"abc".to_vec(), &b"GET"[..]));
    let seen = ask(post("content-length: 18446744073709551615\r\n", "abc")).unwrap();
    assert!(matches!(
        seen[0],
        Seen::Request {
            body: BodyLength::Exact(u64::MAX),
            ..
        }
    ));
}

#[test]
fn s6_3_7_a_request_without_both_has_no_content() {
    for lines in ["", "content-length: 0\r\n"] {
        let seen = ask(post(lines, "")).unwrap();
        assert!(matches!(
            seen[..],
            [
                Seen::Request {
                    body: BodyLength::Empty,
                    ..
                },
                Seen::End
            ]
        ));
    }
}

#[test]
fn s6_3_8_a_response_without_both_ends_with_the_connection() {
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let mut conn = client("GET");
        let mut seen = asked(
            &mut conn,
            format!("{version} 200 OK\r\nconnection: keep-alive\r\n\r\nabc"),
        )
        .unwrap();
        assert!(matches!(
            seen[0],
            Seen::Response {
                body: BodyLength::Unknown,
                ..
            }
        ));
        assert!(!conn.keep_alive() && !conn.should_close());
        end(&mut conn, &mut seen).unwrap();
        assert_eq!(seen[1..], [Seen::Data(b"abc".to_vec()), Seen::End]);
        assert!(conn.should_close());
    }
}

#[test]
fn s6_3_what_follows_the_last_response_is_not_processed_as_one() {
    let mut conn = client("GET");
    let mut seen = Vec::new();
    let input = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(
        crate::drive::feed(&mut conn, input, &mut seen),
        Err(Error::Unsolicited)
    );
    assert_eq!(seen[1..], [Seen::Data(b"ok".to_vec()), Seen::End]);
    assert!(conn.should_close());
}

#[test]
fn s6_3_a_request_with_content_has_a_length_or_is_chunked() {
    for (method, length, framing) in [
        ("POST", BodyLength::Exact(3), "content-length: 3\r\n"),
        (
            "POST",
            BodyLength::Unknown,
            "transfer-encoding: chunked\r\n",
        ),
        ("POST", BodyLength::Empty, "content-length: 0\r\n"),
        ("PUT", BodyLength::Empty, "content-length: 0\r\n"),
        ("OPTIONS", BodyLength::Empty, "content-length: 0\r\n"),
        ("GET", BodyLength::Empty, ""),
        ("HEAD", BodyLength::Empty, ""),
        ("DELETE", BodyLength::Empty, ""),
        ("TRACE", BodyLength::Empty, ""),
        ("GET", BodyLength::Unknown, "transfer-encoding: chunked\r\n"),
    ] {
        let mut conn = http1::Connection::new(http1::Role::Client, http1::Config::default());
        conn.send_request(
            &headers(&[(":method", method), (":path", "/"), (":authority", "a")]),
            length,
        )
        .unwrap();
        assert_eq!(
            written(&mut conn),
            format!("{method} / HTTP/1.1\r\nhost: a\r\n{framing}\r\n")
        );
    }
}

#[test]
fn s6_3_a_response_always_says_how_long_it_is() {
    for (length, framing) in [
        (BodyLength::Empty, "content-length: 0\r\n"),
        (BodyLength::Exact(0), "content-length: 0\r\n"),
        (BodyLength::Exact(9), "content-length: 9\r\n"),
        (BodyLength::Unknown, "transfer-encoding: chunked\r\n"),
    ] {
        let mut conn = server();
        asked(&mut conn, get("")).unwrap();
        assert_eq!(
            reply(&mut conn, "200", &[], length),
            format!("HTTP/1.1 200 OK\r\n{framing}\r\n")
        );
    }
}

#[test]
fn s6_3_neither_more_nor_less_content_is_sent_than_was_said() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    reply(&mut conn, "200", &[], BodyLength::Exact(3));
    conn.send_data(b"ab").unwrap();
    assert_eq!(conn.send_data(b"cd"), Err(http1::SendError::TooLong));
    assert_eq!(written(&mut conn), "ab");
    assert_eq!(conn.finish(), Err(http1::SendError::TooShort));
    assert!(conn.should_close() && !conn.keep_alive());
}

#[test]
fn s6_3_a_204_or_1xx_with_framing_is_refused_as_envoy_does() {
    for (head, error) in [
        ("204 x\r\ncontent-length: 2", Error::ContentLengthNotAllowed),
        (
            "204 x\r\ntransfer-encoding: chunked",
            Error::TransferEncodingNotAllowed,
        ),
        ("100 x\r\ncontent-length: 3", Error::ContentLengthNotAllowed),
        (
            "103 x\r\ntransfer-encoding: chunked",
            Error::TransferEncodingNotAllowed,
        ),
    ] {
        assert_eq!(
            answer("GET", format!("HTTP/1.1 {head}\r\n\r\n")),
            Err(error)
        );
    }
    let seen = answer("GET", "HTTP/1.1 204 x\r\ncontent-length: 0\r\nx: y\r\n\r\n").unwrap();
    let Seen::Response { fields, .. } = &seen[0] else {
        panic!()
    };
    assert_eq!(fields, &list(&[(":status", "204"), ("x", "y")]));
}
