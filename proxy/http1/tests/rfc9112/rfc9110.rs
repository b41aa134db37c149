//! RFC 9110, where it binds the framing or the connection at a proxy.

use http1::{BodyLength, Error, SendError, Version};

use crate::drive::{
    Seen, answer, ask, asked, client, end, feed, get, headers, list, old_server, post, reply,
    server, value, written,
};

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\n";

#[test]
fn s5_3_the_order_of_fields_is_kept() {
    let seen = ask(get("a: 1\r\nb: 2\r\na: 3\r\n")).unwrap();
    let Seen::Request { fields, .. } = &seen[0] else {
        panic!()
    };
    assert_eq!(fields[3..], list(&[("a", "1"), ("b", "2"), ("a", "3")]));
}

#[test]
fn s5_5_a_value_with_cr_lf_nul_or_another_control_character_is_refused() {
    for bad in ["a\0", "a\x01b", "\x7f", "\x1b[0m", "a\x0bb", "a\x0cb"] {
        let error = ask(get(&format!("x: {bad}\r\n"))).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.invalid_characters"),
            "{bad:?}"
        );
        assert_eq!(
            answer("GET", format!("HTTP/1.1 200 OK\r\nx: {bad}\r\n\r\n")),
            Err(Error::InvalidCharacter)
        );
    }
    assert_eq!(
        value(&ask(get("x: a\tb\r\n")).unwrap(), "x").unwrap(),
        "a\tb"
    );
}

#[test]
fn s7_6_1_connection_and_what_it_nominates_are_removed() {
    let lines = "x-a: 1\r\nX-B: 2\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nupgrade: foo\r\nx-c: 3\r\n\
                 Connection: X-A, x-none\r\nconnection: x-b ,, close\r\nx-a: 4\r\n";
    let seen = ask(get(lines)).unwrap();
    let Seen::Request {
        fields, upgrade, ..
    } = &seen[0]
    else {
        panic!()
    };
    assert_eq!(fields[3..], list(&[("x-c", "3")]));
    assert!(!upgrade);
    let response = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n");
    let Seen::Response { fields, .. } = &answer("GET", response).unwrap()[0] else {
        panic!()
    };
    assert_eq!(
        fields,
        &list(&[(":status", "200"), ("x-c", "3"), ("content-length", "0")])
    );
}

#[test]
fn s7_6_1_nominated_trailers_do_not_pass() {
    let chunked = "transfer-encoding: chunked\r\n";
    let seen = ask(post(
        &format!("{chunked}connection: x-t\r\n"),
        "0\r\nx-t: 1\r\n\r\n",
    ))
    .unwrap();
    assert_eq!(seen[1..], [Seen::End]);
    let seen = ask(post(
        &format!("{chunked}connection: te, keep-alive\r\n"),
        "0\r\nx-t: 1\r\n\r\n",
    ))
    .unwrap();
    assert_eq!(
        seen[1..],
        [Seen::Trailers(list(&[("x-t", "1")])), Seen::End]
    );
}

#[test]
fn s7_6_1_fields_that_say_where_a_request_comes_from_may_not_be_nominated() {
    for option in [
        "x-forwarded-for",
        "X-Forwarded-Host",
        "x-forwarded-proto",
        "host",
        "content-length",
        ":path",
        ":authority",
    ] {
        let error = ask(get(&format!("connection: {option}\r\n"))).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.connection_header_rejected"),
            "{option}"
        );
    }
}

#[test]
fn s7_6_1_as_many_options_as_envoy_takes_are_taken() {
    assert!(ask(get("connection: a,b,c,d,e,f,g,h,i\r\n")).is_ok());
    assert_eq!(
        ask(get("connection: a,b,c,d,e,f,g,h,i,j\r\n")),
        Err(Error::ConnectionField)
    );
    assert_eq!(
        ask(get("connection: a,b,c,d,e\r\nconnection: f,g,h,i,j\r\n")),
        Err(Error::ConnectionField)
    );
}

#[test]
fn s7_6_1_a_response_keeps_its_length_whatever_it_nominates() {
    let seen = answer(
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: content-length\r\n\r\nok",
    )
    .unwrap();
    assert_eq!(value(&seen, "content-length").unwrap(), "2");
}

#[test]
fn s7_6_1_hop_by_hop_fields_are_not_sent_on() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    let bad = [
        ("connection", "x"),
        ("keep-alive", "1"),
        ("proxy-connection", "y"),
        ("upgrade", "h2"),
        ("te", "trailers"),
        ("x", "y"),
    ];
    assert_eq!(
        reply(&mut conn, "200", &bad, BodyLength::Empty),
        "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 0\r\n\r\n"
    );
}

#[test]
fn s7_8_an_upgrade_is_told_and_its_field_kept() {
    let seen = ask(get(UPGRADE)).unwrap();
    assert!(matches!(
        seen[..],
        [Seen::Request {
            upgrade: true,
            body: BodyLength::Empty,
            ..
        }]
    ));
    assert_eq!(value(&seen, "upgrade").unwrap(), "websocket");
}

#[test]
fn s7_8_an_upgrade_without_its_connection_option_or_in_http_1_0_is_none() {
    for request in [
        get("upgrade: websocket\r\n"),
        get("connection: upgrade\r\n"),
        format!("GET / HTTP/1.0\r\nhost: a\r\n{UPGRADE}\r\n"),
    ] {
        let seen = asked(&mut old_server(), request).unwrap();
        assert!(matches!(
            seen[..],
            [Seen::Request { upgrade: false, .. }, Seen::End]
        ));
        assert_eq!(value(&seen, "upgrade"), None);
    }
}

#[test]
fn s7_8_h2c_is_no_upgrade_as_with_envoy() {
    let seen = ask(get(
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n",
    ))
    .unwrap();
    let Seen::Request {
        fields, upgrade, ..
    } = &seen[0]
    else {
        panic!()
    };
    assert!(!upgrade && fields.len() == 3, "{fields:?}");
}

#[test]
fn s7_8_who_sends_upgrade_sends_its_connection_option() {
    let mut conn = http1::Connection::new(http1::Role::Client, http1::Config::default());
    let head = headers(&[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "a"),
        ("upgrade", "websocket"),
        ("x", "y"),
    ]);
    conn.send_request(&head, BodyLength::Empty).unwrap();
    assert_eq!(
        written(&mut conn),
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx: y\r\n\r\n"
    );
}

#[test]
fn s7_8_a_101_makes_a_tunnel_on_both_sides() {
    let mut client = http1::Connection::new(http1::Role::Client, http1::Config::default());
    let head = headers(&[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "a"),
        ("upgrade", "websocket"),
    ]);
    client.send_request(&head, BodyLength::Empty).unwrap();
    let mut server = server();
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    let asked = written(&mut client);
    feed(&mut server, asked.as_bytes(), &mut at_server).unwrap();
    assert!(!server.wants_input());
    let answered = reply(
        &mut server,
        "101",
        &[("upgrade", "websocket")],
        BodyLength::Empty,
    );
    assert_eq!(
        answered,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    server.send_data(b"hi").unwrap();
    feed(
        &mut client,
        format!("{answered}{}", written(&mut server)).as_bytes(),
        &mut at_client,
    )
    .unwrap();
    assert_eq!(value(&at_client, "upgrade").unwrap(), "websocket");
    assert_eq!(at_client[1..], [Seen::Tunnel, Seen::Data(b"hi".to_vec())]);
    client.send_data(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    feed(&mut server, written(&mut client).as_bytes(), &mut at_server).unwrap();
    assert_eq!(
        at_server[1..],
        [Seen::Tunnel, Seen::Data(b"GET / HTTP/1.1\r\n\r\n".to_vec())]
    );
    for conn in [&mut client, &mut server] {
        assert!(!conn.keep_alive() && !conn.should_close() && !conn.is_idle());
        let mut seen = Vec::new();
        end(conn, &mut seen).unwrap();
        assert_eq!(seen, [Seen::End]);
        assert!(!conn.should_close());
        conn.finish().unwrap();
        assert!(conn.should_close());
    }
}

#[test]
fn s7_8_an_upgrade_that_is_refused_goes_on_as_http() {
    let mut conn = server();
    let both = format!("{}{}", get(UPGRADE), get(""));
    let mut seen = Vec::new();
    let left = feed(&mut conn, both.as_bytes(), &mut seen).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        reply(&mut conn, "403", &[], BodyLength::Empty),
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    );
    feed(&mut conn, left, &mut seen).unwrap();
    assert!(matches!(
        seen[1..],
        [Seen::End, Seen::Request { upgrade: false, .. }, Seen::End]
    ));
}

#[test]
fn s7_8_what_came_behind_an_upgrade_is_the_tunnels_once_it_is_granted() {
    let mut conn = server();
    let text = get(UPGRADE) + "early";
    let mut seen = Vec::new();
    let left = feed(&mut conn, text.as_bytes(), &mut seen).unwrap();
    assert_eq!(left, b"early");
    assert_eq!(conn.end_of_input(), Ok(None));
    reply(
        &mut conn,
        "101",
        &[("upgrade", "websocket")],
        BodyLength::Empty,
    );
    feed(&mut conn, left, &mut seen).unwrap();
    assert_eq!(
        seen[1..],
        [Seen::Tunnel, Seen::Data(b"early".to_vec()), Seen::End]
    );
}

#[test]
fn s7_8_the_protocol_changes_only_after_the_whole_request() {
    let mut conn = server();
    let text = post(&format!("{UPGRADE}content-length: 2\r\n"), "ab");
    let (head, rest) = text.as_bytes().split_at(text.len() - 2);
    let mut seen = Vec::new();
    feed(&mut conn, head, &mut seen).unwrap();
    let switch = headers(&[(":status", "101"), ("upgrade", "websocket")]);
    assert_eq!(
        conn.send_response(&switch, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    feed(&mut conn, rest, &mut seen).unwrap();
    conn.send_response(&switch, BodyLength::Empty).unwrap();
    feed(&mut conn, b"raw", &mut seen).unwrap();
    assert_eq!(
        seen[1..],
        [
            Seen::Data(b"ab".to_vec()),
            Seen::Tunnel,
            Seen::Data(b"raw".to_vec())
        ]
    );
}

#[test]
fn s7_8_a_101_without_upgrade_or_to_a_request_without_one_is_not_sent() {
    let mut conn = server();
    asked(&mut conn, get(UPGRADE)).unwrap();
    assert_eq!(
        conn.send_response(&headers(&[(":status", "101")]), BodyLength::Empty),
        Err(SendError::Head)
    );
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    let switch = headers(&[(":status", "101"), ("upgrade", "websocket")]);
    assert_eq!(
        conn.send_response(&switch, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    assert_eq!(conn.send_informational(&switch), Err(SendError::OutOfTurn));
}

#[test]
fn s7_8_a_101_that_nobody_asked_for_is_refused() {
    let text = format!("HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}\r\n");
    assert_eq!(answer("GET", &text), Err(Error::UnexpectedUpgrade));
    assert_eq!(answer("CONNECT", &text), Err(Error::UnexpectedUpgrade));
}

#[test]
fn s8_6_no_content_length_is_sent_in_1xx_and_204() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    conn.send_informational(&headers(&[(":status", "100"), ("content-length", "5")]))
        .unwrap();
    assert_eq!(written(&mut conn), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(
        reply(
            &mut conn,
            "204",
            &[("content-length", "5")],
            BodyLength::Empty
        ),
        "HTTP/1.1 204 No Content\r\n\r\n"
    );
}

#[test]
fn s8_6_a_content_length_that_is_known_to_be_wrong_is_not_forwarded() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    let out = reply(
        &mut conn,
        "200",
        &[("content-length", "5")],
        BodyLength::Empty,
    );
    assert_eq!(out, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let mut conn = server();
    asked(&mut conn, "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let bad = headers(&[(":status", "200"), ("content-length", "5, 5")]);
    assert_eq!(
        conn.send_response(&bad, BodyLength::Empty),
        Err(SendError::Field)
    );
}

#[test]
fn s9_3_6_connect_waits_for_its_answer_and_becomes_a_tunnel() {
    let mut conn = server();
    let mut seen = Vec::new();
    let left = feed(
        &mut conn,
        b"CONNECT b:80 HTTP/1.1\r\nhost: b:80\r\n\r\nearly",
        &mut seen,
    )
    .unwrap();
    assert_eq!((seen.len(), left), (1, &b"early"[..]));
    assert_eq!(
        reply(&mut conn, "200", &[], BodyLength::Empty),
        "HTTP/1.1 200 OK\r\n\r\n"
    );
    feed(&mut conn, left, &mut seen).unwrap();
    assert_eq!(seen[1..], [Seen::Tunnel, Seen::Data(b"early".to_vec())]);
    conn.send_data(b"\0raw").unwrap();
    assert_eq!(written(&mut conn), "\0raw");
}

#[test]
fn s9_3_6_a_connect_that_is_refused_is_answered_as_any_request() {
    let mut conn = server();
    asked(&mut conn, "CONNECT b:80 HTTP/1.1\r\nhost: b:80\r\n\r\n").unwrap();
    let out = reply(&mut conn, "503", &[], BodyLength::Exact(2));
    assert_eq!(
        out,
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n"
    );
    conn.send_data(b"no").unwrap();
    conn.finish().unwrap();
    assert_eq!(asked(&mut conn, "").unwrap(), [Seen::End]);
}

#[test]
fn s9_3_6_connect_has_no_content() {
    for lines in ["content-length: 3\r\n", "transfer-encoding: chunked\r\n"] {
        let error = ask(format!("CONNECT b:80 HTTP/1.1\r\nhost: a\r\n{lines}\r\n")).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.body_disallowed")
        );
    }
    let mut conn = client("CONNECT");
    assert_eq!(conn.send_data(b"early"), Err(SendError::OutOfTurn));
}

#[test]
fn s10_1_1_an_expectation_is_told_and_kept() {
    let seen = ask(post("expect: 100-Continue\r\ncontent-length: 3\r\n", "")).unwrap();
    assert!(matches!(
        seen[0],
        Seen::Request {
            expect_continue: true,
            ..
        }
    ));
    assert_eq!(value(&seen, "expect").unwrap(), "100-Continue");
    let seen = ask(post("expect: other\r\ncontent-length: 3\r\n", "")).unwrap();
    assert!(matches!(
        seen[0],
        Seen::Request {
            expect_continue: false,
            ..
        }
    ));
}

#[test]
fn s10_1_1_an_expectation_of_http_1_0_is_ignored() {
    let text = "POST / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    let seen = asked(&mut old_server(), text).unwrap();
    assert!(matches!(
        seen[0],
        Seen::Request {
            expect_continue: false,
            version: Version::Http10,
            ..
        }
    ));
}

#[test]
fn s10_1_1_a_final_answer_instead_of_100_closes_the_connection() {
    let mut conn = server();
    asked(
        &mut conn,
        post("expect: 100-continue\r\ncontent-length: 3\r\n", ""),
    )
    .unwrap();
    assert!(reply(&mut conn, "417", &[], BodyLength::Empty).contains("connection: close\r\n"));
}

#[test]
fn s10_1_1_after_100_the_content_and_a_final_answer_follow() {
    let mut conn = server();
    asked(
        &mut conn,
        post("expect: 100-continue\r\ncontent-length: 3\r\n", ""),
    )
    .unwrap();
    conn.send_informational(&headers(&[(":status", "100")]))
        .unwrap();
    assert_eq!(written(&mut conn), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(
        asked(&mut conn, "abc").unwrap(),
        [Seen::Data(b"abc".to_vec()), Seen::End]
    );
    assert_eq!(
        reply(&mut conn, "200", &[], BodyLength::Empty),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    );
}

#[test]
fn s15_2_any_number_of_1xx_may_come_before_the_final_response() {
    let mut conn = client("GET");
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 199 ?\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let seen = asked(&mut conn, text).unwrap();
    assert_eq!(
        seen[..3],
        [
            Seen::Informational(list(&[(":status", "100")])),
            Seen::Informational(list(&[(":status", "103"), ("link", "x")])),
            Seen::Informational(list(&[(":status", "199")])),
        ]
    );
    assert_eq!(seen.len(), 5);
    assert!(conn.is_idle());
}

#[test]
fn s15_2_no_1xx_is_sent_to_http_1_0() {
    let mut conn = old_server();
    asked(&mut conn, "GET / HTTP/1.0\r\nhost: a\r\n\r\n").unwrap();
    conn.send_informational(&headers(&[(":status", "103")]))
        .unwrap();
    assert_eq!(written(&mut conn), "");
}

#[test]
fn s15_2_a_1xx_is_sent_only_before_the_final_response_to_a_request() {
    let hints = headers(&[(":status", "103")]);
    assert_eq!(
        server().send_informational(&hints),
        Err(SendError::OutOfTurn)
    );
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    assert_eq!(
        conn.send_informational(&headers(&[(":status", "200")])),
        Err(SendError::OutOfTurn)
    );
    assert_eq!(
        conn.send_response(&hints, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    reply(&mut conn, "200", &[], BodyLength::Unknown);
    assert_eq!(conn.send_informational(&hints), Err(SendError::OutOfTurn));
}
