//! RFC 9112, 9: connection management.

use http1::{BodyLength, Config, Connection, Error, Role, SendError};

use crate::drive::{
    Seen, asked, client, feed, get, headers, old_server, post, reply, server, written,
};

#[test]
fn s9_2_what_comes_without_a_request_under_way_is_no_response() {
    let mut conn = Connection::new(Role::Client, Config::default());
    assert_eq!(
        asked(&mut conn, "HTTP/1.1 408 Request Timeout\r\n\r\n"),
        Err(Error::Unsolicited)
    );
    assert!(conn.should_close());
    let head = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    assert_eq!(
        conn.send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
}

#[test]
fn s9_2_one_request_is_under_way_at_a_time() {
    let mut conn = client("GET");
    let head = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    assert_eq!(
        conn.send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    asked(&mut conn, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(conn.send_request(&head, BodyLength::Empty), Ok(()));
}

#[test]
fn s9_3_persistence_of_a_request_follows_version_and_connection() {
    for (version, lines, persistent) in [
        ("1.1", "", true),
        ("1.1", "connection: keep-alive\r\n", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "connection: x, CLOSE\r\n", false),
        (
            "1.1",
            "connection: keep-alive\r\nconnection: close\r\n",
            false,
        ),
        ("1.1", "proxy-connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "connection: Keep-Alive\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
    ] {
        let mut conn = old_server();
        asked(
            &mut conn,
            format!("GET / HTTP/{version}\r\nhost: a\r\n{lines}\r\n"),
        )
        .unwrap();
        assert_eq!(conn.keep_alive(), persistent, "{version} {lines}");
        let option = match (version, persistent) {
            (_, false) => "connection: close\r\n",
            ("1.0", true) => "connection: keep-alive\r\n",
            _ => "",
        };
        let out = reply(&mut conn, "200", &[("x", "y")], BodyLength::Empty);
        assert_eq!(
            out,
            format!("HTTP/{version} 200 OK\r\nx: y\r\n{option}content-length: 0\r\n\r\n")
        );
        assert_eq!(
            (conn.should_close(), conn.is_idle()),
            (!persistent, persistent)
        );
    }
}

#[test]
fn s9_3_persistence_of_a_response_follows_version_and_connection() {
    for (version, lines, persistent) in [
        ("1.1", "", true),
        ("1.1", "connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "connection: keep-alive\r\n", true),
    ] {
        let mut conn = client("GET");
        asked(
            &mut conn,
            format!("HTTP/{version} 200 OK\r\n{lines}content-length: 0\r\n\r\n"),
        )
        .unwrap();
        assert_eq!(
            (conn.keep_alive(), conn.is_idle(), conn.should_close()),
            (persistent, persistent, !persistent)
        );
    }
}

#[test]
fn s9_3_a_response_before_the_end_of_the_request_closes_the_connection() {
    let mut conn = server();
    asked(&mut conn, post("content-length: 10\r\n", "abc")).unwrap();
    let out = reply(&mut conn, "404", &[], BodyLength::Empty);
    assert_eq!(
        out,
        "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    assert!(conn.should_close() && !conn.keep_alive());
}

#[test]
fn s9_3_a_client_reads_the_whole_response_before_the_connection_is_used_again() {
    let mut conn = client("GET");
    asked(&mut conn, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").unwrap();
    let head = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    assert!(!conn.is_idle());
    assert_eq!(
        conn.send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
}

#[test]
fn s9_3_a_connection_with_an_unfinished_request_is_not_used_again() {
    let mut conn = Connection::new(Role::Client, Config::default());
    let head = headers(&[(":method", "POST"), (":path", "/"), (":authority", "a")]);
    conn.send_request(&head, BodyLength::Unknown).unwrap();
    asked(&mut conn, "HTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert!(!conn.is_idle() && !conn.wants_input());
    assert_eq!(
        conn.send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    conn.finish().unwrap();
    written(&mut conn);
    assert!(conn.is_idle() && conn.keep_alive());
}

#[test]
fn s9_3_2_pipelined_requests_wait_for_the_response_before_them() {
    let mut conn = server();
    let both = format!(
        "{}{}{}",
        get("x: 1\r\n"),
        post("content-length: 2\r\n", "ab"),
        get("x: 3\r\n")
    );
    let mut left = both.as_bytes();
    for (events, status) in [(2, "200"), (3, "201"), (2, "202")] {
        let mut seen = Vec::new();
        left = feed(&mut conn, left, &mut seen).unwrap();
        assert_eq!(seen.len(), events);
        assert!(!conn.wants_input());
        let (mut again, mut list) = (left, headers::Headers::new());
        assert_eq!(conn.next(&mut again, &mut list), Ok(None));
        assert_eq!(again, left);
        assert!(reply(&mut conn, status, &[], BodyLength::Empty).contains(status));
        assert!(conn.wants_input());
    }
    assert!(left.is_empty() && conn.is_idle());
}

#[test]
fn s9_3_2_a_response_that_streams_keeps_the_next_request_waiting_until_it_is_finished() {
    let mut conn = server();
    let both = format!("{}{}", get(""), get("x: 2\r\n"));
    let mut seen = Vec::new();
    let left = feed(&mut conn, both.as_bytes(), &mut seen).unwrap();
    reply(&mut conn, "200", &[], BodyLength::Unknown);
    conn.send_data(b"abc").unwrap();
    assert!(!conn.wants_input());
    conn.finish().unwrap();
    assert_eq!(written(&mut conn), "3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(conn.finish(), Ok(()));
    assert_eq!(conn.output(), b"");
    assert!(feed(&mut conn, left, &mut seen).unwrap().is_empty());
    assert_eq!(seen.len(), 4);
}

#[test]
fn s9_3_2_a_response_finished_before_the_end_was_told_does_not_lose_it() {
    let mut conn = server();
    let (text, mut list) = (get(""), headers::Headers::new());
    let mut input = text.as_bytes();
    assert!(matches!(
        conn.next(&mut input, &mut list),
        Ok(Some(http1::Event::Request { .. }))
    ));
    assert_eq!(
        reply(&mut conn, "200", &[], BodyLength::Empty),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(
        conn.next(&mut input, &mut list),
        Ok(Some(http1::Event::End))
    );
    assert!(conn.is_idle());
}

#[test]
fn s9_6_after_connection_close_no_further_request_is_processed() {
    let mut conn = server();
    let both = format!("{}{}", get("connection: close\r\n"), get(""));
    let mut seen = Vec::new();
    let left = feed(&mut conn, both.as_bytes(), &mut seen).unwrap().len();
    assert!(reply(&mut conn, "200", &[], BodyLength::Empty).contains("connection: close\r\n"));
    assert!(conn.should_close());
    let rest = &both.as_bytes()[both.len() - left..];
    assert_eq!(feed(&mut conn, rest, &mut seen).unwrap(), rest);
    assert_eq!(seen.len(), 2);
}

#[test]
fn s9_6_a_server_that_means_to_close_says_so_and_processes_no_further_request() {
    let mut conn = server();
    let both = format!("{}{}", get(""), get(""));
    let mut seen = Vec::new();
    let left = feed(&mut conn, both.as_bytes(), &mut seen)
        .unwrap()
        .to_vec();
    assert!(conn.keep_alive());
    conn.close_after();
    assert!(!conn.keep_alive());
    assert!(reply(&mut conn, "200", &[], BodyLength::Empty).contains("connection: close\r\n"));
    assert!(conn.should_close());
    assert_eq!(feed(&mut conn, &left, &mut seen).unwrap(), left);
}

#[test]
fn s9_6_close_asked_for_within_a_response_is_said_in_the_next() {
    let mut conn = server();
    asked(&mut conn, get("")).unwrap();
    reply(&mut conn, "200", &[], BodyLength::Unknown);
    conn.close_after();
    assert!(conn.keep_alive());
    conn.finish().unwrap();
    written(&mut conn);
    assert!(!conn.should_close());
    asked(&mut conn, get("")).unwrap();
    assert!(reply(&mut conn, "200", &[], BodyLength::Empty).contains("connection: close\r\n"));
    assert!(conn.should_close());
}

#[test]
fn s9_6_a_client_that_says_close_sends_no_further_request() {
    let mut conn = Connection::new(Role::Client, Config::default());
    conn.close_after();
    let head = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    conn.send_request(&head, BodyLength::Empty).unwrap();
    assert_eq!(
        written(&mut conn),
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    );
    asked(&mut conn, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert!(conn.should_close() && !conn.keep_alive());
    assert_eq!(
        conn.send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
}

#[test]
fn s9_6_a_client_that_receives_close_sends_no_further_request() {
    let mut conn = client("GET");
    let seen = asked(
        &mut conn,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
    )
    .unwrap();
    assert_eq!(seen.last(), Some(&Seen::End));
    assert!(conn.should_close());
    let head = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    assert_eq!(
        conn.send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
}

#[test]
fn only_a_server_answers_and_only_a_client_asks() {
    let head = headers(&[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "a"),
        (":status", "200"),
    ]);
    assert_eq!(
        server().send_request(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    assert_eq!(
        client("GET").send_response(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    let mut conn = server();
    assert_eq!(
        conn.send_response(&head, BodyLength::Empty),
        Err(SendError::OutOfTurn)
    );
    assert_eq!(conn.send_data(b"x"), Err(SendError::OutOfTurn));
    assert_eq!(conn.output(), b"");
    asked(&mut conn, get("")).unwrap();
    assert_eq!(conn.finish(), Err(SendError::OutOfTurn));
    assert_eq!(conn.send_trailers(&head), Err(SendError::OutOfTurn));
}
