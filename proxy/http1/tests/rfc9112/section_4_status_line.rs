//! RFC 9112, 4: status line.

use http1::{BodyLength, Error};

use crate::drive::{Seen, answer, asked, get, reply, server, value};

#[test]
fn s4_the_status_is_presented_as_http_2_presents_it_and_the_reason_dropped() {
    for line in [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 Fine, thanks",
        "HTTP/1.1 200 ",
        "HTTP/1.1 200",
        "HTTP/1.1 200 caf\u{e9}",
    ] {
        let seen = answer("GET", format!("{line}\r\ncontent-length: 0\r\n\r\n")).unwrap();
        let Seen::Response { fields, .. } = &seen[0] else {
            panic!()
        };
        assert_eq!(
            fields,
            &crate::drive::list(&[(":status", "200"), ("content-length", "0")]),
            "{line}"
        );
    }
}

#[test]
fn s4_a_status_is_three_digits() {
    for bad in [
        "HTTP/1.1 99 x",
        "HTTP/1.1 2000 x",
        "HTTP/1.1 2x0 x",
        "HTTP/1.1 +20 x",
        "HTTP/1.1  200",
        "HTTP/1.1 000 x",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1\t200",
        "HTTP/1.12 200 OK",
        "HTTP/1.x 200 OK",
    ] {
        assert_eq!(
            answer("GET", format!("{bad}\r\n\r\n")),
            Err(Error::StatusLine),
            "{bad:?}"
        );
    }
    for good in ["600", "999"] {
        let seen = answer(
            "GET",
            format!("HTTP/1.1 {good} x\r\ncontent-length: 0\r\n\r\n"),
        )
        .unwrap();
        assert_eq!(value(&seen, ":status").unwrap(), good);
    }
}

#[test]
fn s4_the_space_before_the_reason_is_always_sent_and_the_reason_is_envoys() {
    for (status, line) in [
        ("200", "HTTP/1.1 200 OK\r\n"),
        ("404", "HTTP/1.1 404 Not Found\r\n"),
        ("413", "HTTP/1.1 413 Payload Too Large\r\n"),
        ("431", "HTTP/1.1 431 Request Header Fields Too Large\r\n"),
        ("299", "HTTP/1.1 299 Unknown\r\n"),
    ] {
        let mut conn = server();
        asked(&mut conn, get("")).unwrap();
        assert!(reply(&mut conn, status, &[], BodyLength::Empty).starts_with(line));
    }
}

#[test]
fn s4_a_response_without_a_status_is_not_sent() {
    for status in ["", "20", "2000", "abc", "099"] {
        let mut conn = server();
        asked(&mut conn, get("")).unwrap();
        let head = crate::drive::headers(&[(":status", status)]);
        assert_eq!(
            conn.send_response(&head, BodyLength::Empty),
            Err(http1::SendError::Head)
        );
    }
}
