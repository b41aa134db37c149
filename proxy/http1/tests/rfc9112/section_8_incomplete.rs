//! RFC 9112, 8: incomplete messages.

use http1::{Error, SendError};

use crate::drive::{Seen, asked, client, end, get, headers, post, server};

#[test]
fn s8_an_incomplete_request_can_be_answered_before_closing() {
    for text in [
        "G",
        "GET / HTTP/1.1\r\nhost: a\r\n",
        &post("content-length: 3\r\n", "ab"),
        &post("transfer-encoding: chunked\r\n", "3\r\nab"),
    ] {
        let mut conn = server();
        let mut seen = asked(&mut conn, text).unwrap();
        assert_eq!(end(&mut conn, &mut seen), Err(Error::Truncated), "{text:?}");
        let out = crate::drive::reply(&mut conn, "400", &[], http1::BodyLength::Empty);
        assert!(out.contains("connection: close"), "{out}");
        assert!(conn.should_close());
    }
}

#[test]
fn s8_a_response_shorter_than_its_content_length_is_incomplete() {
    let mut conn = client("GET");
    let mut seen = asked(&mut conn, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").unwrap();
    assert_eq!(end(&mut conn, &mut seen), Err(Error::Truncated));
    assert!(conn.should_close() && !seen.contains(&Seen::End));
}

#[test]
fn s8_chunked_content_is_incomplete_without_its_last_chunk() {
    for text in [
        "",
        "3",
        "3\r\n",
        "3\r\nab",
        "3\r\nabc",
        "3\r\nabc\r\n",
        "3\r\nabc\r\n0",
        "3\r\nabc\r\n0\r\n",
        "3\r\nabc\r\n0\r\nx: y\r\n",
    ] {
        let mut conn = client("GET");
        let mut seen = asked(
            &mut conn,
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{text}"),
        )
        .unwrap();
        assert_eq!(end(&mut conn, &mut seen), Err(Error::Truncated), "{text:?}");
    }
}

#[test]
fn s8_a_response_without_framing_is_incomplete_if_its_head_is() {
    let mut conn = client("GET");
    let mut seen = asked(&mut conn, "HTTP/1.1 200 OK\r\nx: y\r\n").unwrap();
    assert_eq!(end(&mut conn, &mut seen), Err(Error::Truncated));
}

#[test]
fn a_close_before_the_first_byte_of_the_response_is_told_apart() {
    let mut conn = client("GET");
    assert_eq!(conn.end_of_input(), Err(Error::ClosedBeforeResponse));
    let mut conn = client("GET");
    asked(&mut conn, "HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    assert_eq!(conn.end_of_input(), Err(Error::Truncated));
}

#[test]
fn a_close_between_messages_is_no_error() {
    let mut conn = server();
    assert_eq!(conn.end_of_input(), Ok(None));
    assert!(conn.should_close() && !conn.wants_input());
    let mut conn = client("GET");
    asked(&mut conn, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(conn.end_of_input(), Ok(None));
    assert!(conn.should_close());
    let head = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    assert_eq!(
        conn.send_request(&head, http1::BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
}

#[test]
fn a_client_that_closes_its_side_after_the_request_still_gets_the_response() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    assert_eq!(conn.end_of_input(), Ok(None));
    assert!(!conn.should_close());
    let out = crate::drive::reply(&mut conn, "200", &[], http1::BodyLength::Empty);
    assert!(out.contains("connection: close\r\n"), "{out}");
    assert!(conn.should_close());
}
