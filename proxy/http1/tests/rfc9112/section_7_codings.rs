//! RFC 9112, 7: transfer codings.

use http1::{BodyLength, Config, Connection, Error, Role};

use crate::drive::{
    Seen, answer, ask, asked, client, content, get, headers, list, post, reply, server, written,
};

fn chunks(text: &str) -> Result<Vec<Seen>, Error> {
    ask(post("transfer-encoding: chunked\r\n", text))
}

#[test]
fn s7_1_chunked_content_is_decoded() {
    let seen =
        chunks("3\r\nabc\r\nA\r\n0123456789\r\n00f\r\nabcdefghijklmno\r\n0\r\n\r\n").unwrap();
    assert_eq!(content(&seen), b"abc0123456789abcdefghijklmno");
    assert_eq!(seen.last(), Some(&Seen::End));
}

#[test]
fn s7_1_a_large_size_does_not_overflow() {
    for bad in [
        "10000000000000000\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "1000000000000000000000003\r\nabc",
    ] {
        assert_eq!(chunks(bad), Err(Error::Chunk), "{bad:?}");
    }
    assert_eq!(content(&chunks("FFFFFFFFFFFFFFFF\r\nabc").unwrap()), b"abc");
    assert_eq!(
        content(&chunks("0000000000000000000003\r\nabc\r\n0\r\n\r\n").unwrap()),
        b"abc"
    );
}

#[test]
fn s7_1_a_chunk_that_is_none_is_refused() {
    for bad in [
        "x\r\n",
        "-1\r\n",
        "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        "\r\n3\r\nabc\r\n",
        ";a\r\n",
        " 3\r\nabc\r\n",
        "3,a\r\nabc",
        "3 x\r\nabc",
        "3\nabc\n",
        "3;a\nabc\r\n",
        "3\rabc\r\n",
        "3\r\nabcX\r\n",
        "3\r\nabc\n",
        "3\r\nabc\r0",
        "3\r\nabc0\r\n",
        "3;a\rb\r\nabc",
        "3;a\0\r\nabc",
        "3;\x7f\r\n",
        "3.\r\n",
        "g\r\n",
        "\u{ff13}\r\n",
    ] {
        let error = chunks(bad).unwrap_err();
        assert_eq!(
            (error.status(), error.details()),
            (400, "http1.codec_error"),
            "{bad:?}"
        );
    }
}

#[test]
fn s7_1_1_unrecognized_extensions_are_ignored() {
    for size in [
        "3;a",
        "3;a=b",
        "3 ; a = \"b;c\"",
        "3\t",
        "3;",
        "3;a;b=c",
        "3;\u{e9}",
    ] {
        assert_eq!(
            content(&chunks(&format!("{size}\r\nabc\r\n0;last\r\n\r\n")).unwrap()),
            b"abc",
            "{size}"
        );
    }
}

#[test]
fn s7_1_1_the_length_of_extensions_is_bounded() {
    let config = Config {
        max_chunk_line: 16,
        ..Config::default()
    };
    let asked_with = |line: &str| {
        let text = post(
            "transfer-encoding: chunked\r\n",
            &format!("{line}\r\nabc\r\n0\r\n\r\n"),
        );
        asked(&mut Connection::new(Role::Server, config), text)
    };
    assert!(asked_with(&format!("3;{}", "a".repeat(13))).is_ok());
    assert_eq!(
        asked_with(&format!("3;{}", "a".repeat(14))),
        Err(Error::Chunk)
    );
    assert_eq!(
        asked_with(&format!("{}3", "0".repeat(16))),
        Err(Error::Chunk)
    );
    assert_eq!(
        asked_with(&format!("3{}", " ".repeat(16))),
        Err(Error::Chunk)
    );
    assert_eq!(
        chunks(&format!("3;{}\r\n", "a".repeat(5000))),
        Err(Error::Chunk)
    );
}

#[test]
fn s7_1_2_trailers_are_kept_apart_from_the_head() {
    let seen = chunks("3\r\nabc\r\n0\r\nX-A: b\r\nX-A: c\r\n\r\n").unwrap();
    assert_eq!(
        seen[1..],
        [
            Seen::Data(b"abc".to_vec()),
            Seen::Trailers(list(&[("x-a", "b"), ("x-a", "c")])),
            Seen::End
        ]
    );
}

#[test]
fn s7_1_2_trailers_that_would_frame_or_route_are_dropped() {
    let lines = "content-length: 5\r\nhost: evil\r\ntransfer-encoding: chunked\r\nauthorization: x\r\ncookie: y\r\nset-cookie: z\r\nte: a\r\n\
                 connection: b\r\ntrailer: c\r\ncontent-encoding: d\r\n";
    let seen = chunks(&format!("0\r\n{lines}x: y\r\n\r\n")).unwrap();
    assert_eq!(seen[1..], [Seen::Trailers(list(&[("x", "y")])), Seen::End]);
    assert_eq!(
        chunks(&format!("0\r\n{lines}\r\n")).unwrap()[1..],
        [Seen::End]
    );
}

#[test]
fn s7_1_2_trailers_are_checked_and_bounded_as_a_head() {
    for (lines, error) in [
        ("bad\r\n", Error::FieldName),
        ("a : b\r\n", Error::FieldName),
        ("a: b\0\r\n", Error::InvalidCharacter),
        ("a: b\r\n c\r\n", Error::ObsoleteFold),
        (" a: b\r\n", Error::ObsoleteFold),
    ] {
        assert_eq!(
            chunks(&format!("0\r\n{lines}\r\n")),
            Err(error),
            "{lines:?}"
        );
    }
    assert_eq!(
        chunks(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(101))),
        Err(Error::TooManyFields)
    );
    assert_eq!(
        chunks(&format!("0\r\na: {}\r\n\r\n", "b".repeat(61 * 1024))),
        Err(Error::HeadTooLarge)
    );
}

#[test]
fn s7_1_2_trailers_are_sent_behind_the_last_chunk_without_those_that_must_not_be_there() {
    let mut conn = server();
    asked(&mut conn, get("te: trailers\r\n")).unwrap();
    reply(&mut conn, "200", &[], BodyLength::Unknown);
    conn.send_data(b"abc").unwrap();
    conn.send_data(b"").unwrap();
    conn.send_data(&[b'x'; 26]).unwrap();
    let trailers = headers(&[
        ("grpc-status", "0"),
        ("content-length", "5"),
        (":status", "500"),
        ("connection", "x"),
    ]);
    conn.send_trailers(&trailers).unwrap();
    assert_eq!(
        written(&mut conn),
        format!(
            "3\r\nabc\r\n1a\r\n{}\r\n0\r\ngrpc-status: 0\r\n\r\n",
            "x".repeat(26)
        )
    );
    assert!(conn.is_idle());
}

#[test]
fn s7_1_2_trailers_that_would_break_the_message_are_not_sent() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    reply(&mut conn, "200", &[], BodyLength::Unknown);
    assert_eq!(
        conn.send_trailers(&headers(&[("x", "a\r\nb")])),
        Err(http1::SendError::Field)
    );
    assert_eq!(
        conn.send_trailers(&headers(&[("x y", "a")])),
        Err(http1::SendError::Field)
    );
    conn.finish().unwrap();
    assert_eq!(written(&mut conn), "0\r\n\r\n");
}

#[test]
fn s7_1_2_trailers_have_no_place_beside_a_content_length() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    reply(&mut conn, "200", &[], BodyLength::Exact(3));
    conn.send_data(b"abc").unwrap();
    conn.send_trailers(&headers(&[("x", "y")])).unwrap();
    assert_eq!(written(&mut conn), "abc");
    assert!(conn.is_idle());
}

#[test]
fn s7_1_3_a_decoded_message_has_no_transfer_encoding_left() {
    let seen = answer(
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n0\r\n\r\n",
    )
    .unwrap();
    let Seen::Response { fields, body, .. } = &seen[0] else {
        panic!()
    };
    assert_eq!(
        (fields, *body),
        (
            &list(&[(":status", "200"), ("x", "y")]),
            BodyLength::Unknown
        )
    );
}

#[test]
fn s7_4_te_is_reduced_to_trailers() {
    for (te, want) in [
        ("trailers", Some("trailers")),
        ("gzip, Trailers;q=1", None),
        ("gzip , TRAILERS", Some("trailers")),
        ("gzip", None),
        ("", None),
    ] {
        assert_eq!(
            crate::drive::value(&ask(get(&format!("te: {te}\r\n"))).unwrap(), "te").as_deref(),
            want,
            "{te}"
        );
    }
}

#[test]
fn s7_4_who_sends_te_nominates_it_in_connection() {
    let head = headers(&[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "a"),
        ("te", "trailers"),
    ]);
    let mut conn = Connection::new(Role::Client, Config::default());
    conn.send_request(&head, BodyLength::Empty).unwrap();
    assert_eq!(
        written(&mut conn),
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n"
    );
    let mut conn = Connection::new(Role::Client, Config::default());
    conn.close_after();
    conn.send_request(&head, BodyLength::Empty).unwrap();
    assert_eq!(
        written(&mut conn),
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close, te\r\n\r\n"
    );
}

#[test]
fn s7_4_a_coding_is_never_asked_for_in_te() {
    let head = headers(&[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "a"),
        ("te", "chunked, gzip"),
    ]);
    let mut conn = Connection::new(Role::Client, Config::default());
    conn.send_request(&head, BodyLength::Empty).unwrap();
    assert_eq!(written(&mut conn), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
}

#[test]
fn s7_chunked_responses_leave_the_connection_usable() {
    let mut conn = client("GET");
    asked(
        &mut conn,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    )
    .unwrap();
    assert!(conn.is_idle() && conn.keep_alive());
}
