//! Every way known to make two servers disagree on where a request ends, or on what it says: refused, and nothing that
//! follows is read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)] // each test program uses its part
mod drive;

use drive::{Seen, ask, asked, content, feed, get, old_server, post, reply, server, value};
use http1::{BodyLength, Connection, Error};

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// The request with another, hidden one behind it is refused so, and the hidden one never seen.
fn refused_by(mut conn: Connection, text: impl AsRef<[u8]>, error: Error, status: u16) {
    let mut bytes = text.as_ref().to_vec();
    bytes.extend_from_slice(b"GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut seen = Vec::new();
    assert_eq!(
        feed(&mut conn, &bytes, &mut seen),
        Err(error),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    assert_eq!(error.status(), status);
    assert!(
        seen.iter()
            .filter(|s| matches!(s, Seen::Request { .. }))
            .count()
            <= 1
    );
    assert!(!conn.wants_input() && !conn.keep_alive());
    let out = reply(&mut conn, &status.to_string(), &[], BodyLength::Empty);
    assert!(out.contains("connection: close\r\n"), "{out}");
    assert!(conn.should_close());
}

fn refused(text: impl AsRef<[u8]>, error: Error, status: u16) {
    refused_by(server(), text, error, status);
}

#[test]
fn transfer_encoding_and_content_length() {
    refused(
        post(&format!("{CHUNKED}content-length: 4\r\n"), "0\r\n\r\n"),
        Error::LengthAndTransferEncoding,
        400,
    );
    refused(
        post(&format!("content-length: 4\r\n{CHUNKED}"), "0\r\n\r\n"),
        Error::LengthAndTransferEncoding,
        400,
    );
}

#[test]
fn several_content_lengths() {
    for lines in [
        "content-length: 0\r\ncontent-length: 44\r\n",
        "content-length: 3\r\nContent-Length: 3\r\n",
        "content-length: 0, 44\r\n",
    ] {
        refused(post(lines, ""), Error::ContentLength, 400);
    }
}

#[test]
fn a_content_length_that_is_no_decimal_number() {
    for length in [
        "+4", "-4", "0x4", "4,", "4 4", "", "\u{ff14}", "4\u{a0}", "4_0", "1e1", "4.",
    ] {
        refused(
            post(&format!("content-length: {length}\r\n"), ""),
            Error::ContentLength,
            400,
        );
    }
}

#[test]
fn a_content_length_that_overflows() {
    for length in [
        "18446744073709551616",
        "18446744073709551660",
        "1000000000000000000000000000000",
    ] {
        refused(
            post(&format!("content-length: {length}\r\n"), ""),
            Error::ContentLength,
            400,
        );
    }
}

#[test]
fn a_transfer_encoding_that_almost_is_chunked() {
    for coding in [
        "xchunked",
        "chunked-x",
        "chunke",
        "chunked;",
        "chunked;a=b",
        "\"chunked\"",
        "'chunked'",
        "chunked\u{a0}",
        "[chunked]",
        "x chunked",
        "",
    ] {
        refused(
            post(&format!("transfer-encoding: {coding}\r\n"), "0\r\n\r\n"),
            Error::ChunkedNotLast,
            400,
        );
    }
}

#[test]
fn a_transfer_encoding_hidden_by_control_characters() {
    for coding in [
        "\x0bchunked",
        "chunked\x0c",
        "\0chunked",
        "chunked\x7f",
        "chun\rked",
    ] {
        refused(
            post(&format!("transfer-encoding: {coding}\r\n"), "0\r\n\r\n"),
            Error::InvalidCharacter,
            400,
        );
    }
}

#[test]
fn a_transfer_encoding_behind_an_odd_name() {
    for name in [
        "transfer-encoding ",
        "transfer-encoding\t",
        "transfer\u{2010}encoding",
        "\u{17f}transfer-encoding",
        "transfer encoding",
        "transfer-encoding\x0b",
    ] {
        refused(
            post(&format!("{name}: chunked\r\n"), "0\r\n\r\n"),
            Error::FieldName,
            400,
        );
    }
    refused(
        post(" transfer-encoding: chunked\r\n", "0\r\n\r\n"),
        Error::ObsoleteFold,
        400,
    );
    refused(
        post("x: y\r\n\ttransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        Error::ObsoleteFold,
        400,
    );
}

#[test]
fn an_underscore_makes_another_field() {
    let seen = ask(post(
        "transfer_encoding: chunked\r\ncontent_length: 5\r\n",
        "",
    ))
    .unwrap();
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
    assert_eq!(value(&seen, "transfer_encoding").unwrap(), "chunked");
}

#[test]
fn chunked_not_last() {
    refused(
        post("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n"),
        Error::ChunkedNotLast,
        400,
    );
    refused(
        post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        Error::ChunkedNotLast,
        400,
    );
    refused(
        post(
            &format!("{CHUNKED}transfer-encoding: identity\r\n"),
            "0\r\n\r\n",
        ),
        Error::ChunkedNotLast,
        400,
    );
}

#[test]
fn chunked_twice() {
    refused(
        post("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        Error::TransferEncoding,
        501,
    );
    refused(
        post(&format!("{CHUNKED}{CHUNKED}"), "0\r\n\r\n"),
        Error::TransferEncoding,
        501,
    );
}

#[test]
fn a_coding_before_chunked() {
    for coding in [
        "gzip, chunked",
        "identity, chunked",
        ", chunked",
        "chunked,",
    ] {
        refused(
            post(&format!("transfer-encoding: {coding}\r\n"), "0\r\n\r\n"),
            Error::TransferEncoding,
            501,
        );
    }
}

#[test]
fn transfer_encoding_in_http_1_0() {
    let text =
        format!("POST / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n{CHUNKED}\r\n0\r\n\r\n");
    refused_by(old_server(), text, Error::TransferEncodingNotAllowed, 400);
}

#[test]
fn folded_lines() {
    refused(get("x: a\r\n b\r\n"), Error::ObsoleteFold, 400);
    refused(
        post("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        Error::ObsoleteFold,
        400,
    );
    refused(
        post("content-length: 4\r\n 4\r\n", ""),
        Error::ObsoleteFold,
        400,
    );
}

#[test]
fn white_space_before_the_colon() {
    refused(post("content-length : 44\r\n", ""), Error::FieldName, 400);
    refused(get("x\t: y\r\n"), Error::FieldName, 400);
}

#[test]
fn bare_cr() {
    refused(
        get("x: y\rcontent-length: 44\r\n"),
        Error::InvalidCharacter,
        400,
    );
    refused(
        "GET / HTTP/1.1\rx: y\r\nhost: a\r\n\r\n",
        Error::RequestLine,
        400,
    );
    refused(
        "GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
        Error::InvalidCharacter,
        400,
    );
}

#[test]
fn a_bare_lf_ends_a_line_so_that_both_servers_see_two_fields() {
    let seen = ask(post("x: y\ncontent-length: 3\r\n", "abc")).unwrap();
    assert_eq!(value(&seen, "x").unwrap(), "y");
    assert_eq!(content(&seen), b"abc");
}

#[test]
fn nul_cr_and_lf_in_names_and_values() {
    for (lines, error) in [
        ("x\0: y\r\n", Error::FieldName),
        ("x\ry: z\r\n", Error::FieldName),
        ("x: y\0\r\n", Error::InvalidCharacter),
        ("x: \0\r\n", Error::InvalidCharacter),
        ("x\n: y\r\n", Error::FieldName),
    ] {
        refused(get(lines), error, 400);
    }
}

#[test]
fn empty_and_invalid_names() {
    for lines in [
        ": x\r\n",
        "x\r\n",
        "(x): y\r\n",
        "x@y: z\r\n",
        "{}: z\r\n",
        "\u{e9}: z\r\n",
        "x,y: z\r\n",
    ] {
        refused(get(lines), Error::FieldName, 400);
    }
}

#[test]
fn invalid_methods() {
    for method in ["G T", "get", "GET,", "G\u{e9}T", "GETT", "G/T"] {
        refused(
            format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"),
            Error::Method,
            400,
        );
    }
}

#[test]
fn spaces_in_the_target() {
    refused(
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        Error::RequestLine,
        400,
    );
    refused(
        "GET / HTTP/1.1 HTTP/1.1\r\nhost: a\r\n\r\n",
        Error::RequestLine,
        400,
    );
    refused(
        "GET /\tHTTP/1.1 HTTP/1.1\r\nhost: a\r\n\r\n",
        Error::RequestLine,
        400,
    );
}

#[test]
fn missing_host() {
    refused("GET / HTTP/1.1\r\nx: y\r\n\r\n", Error::HostMissing, 400);
}

#[test]
fn several_hosts() {
    refused(
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        Error::HostRepeated,
        400,
    );
    refused(
        "GET http://a/ HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        Error::HostRepeated,
        400,
    );
}

#[test]
fn invalid_hosts() {
    for host in ["a b", "a/../b", "u@a", "a:80:90", "a\\b", "a?b", "a\tb"] {
        refused(
            format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            Error::Authority,
            400,
        );
    }
}

#[test]
fn an_authority_that_differs_from_host_wins_and_host_is_gone() {
    let seen = ask("GET http://real/ HTTP/1.1\r\nhost: other\r\n\r\n").unwrap();
    assert_eq!(
        (value(&seen, ":authority").as_deref(), value(&seen, "host")),
        (Some("real"), None)
    );
}

#[test]
fn chunk_sizes_that_overflow() {
    for size in [
        "10000000000000000",
        "FFFFFFFFFFFFFFFFFF",
        "100000000000000000000000000000004",
    ] {
        refused(post(CHUNKED, &format!("{size}\r\n")), Error::Chunk, 400);
    }
}

#[test]
fn chunk_sizes_that_are_none() {
    for size in [
        "", " 3", "-3", "+3", "0x3", "3h", "3 3", "3,", "\u{0660}", "0 0", "3_0", "\t0",
    ] {
        refused(post(CHUNKED, &format!("{size}\r\n")), Error::Chunk, 400);
    }
}

#[test]
fn chunks_without_their_line_ends() {
    for text in [
        "3\nabc\r\n",
        "3\rabc\r\n",
        "3\r\nabc\n",
        "3\r\nabc\r",
        "3\r\nabcd\r\n",
        "3\r\nab\r\n0",
        "3\r\nabc\r\r\n",
        "3\r\nabc0\r\n\r\n",
    ] {
        refused(post(CHUNKED, text), Error::Chunk, 400);
    }
}

#[test]
fn line_ends_hidden_in_chunk_extensions() {
    for extension in ["a\nb", "a\rb", "\"a\rb\"", "a\0b", "a\n"] {
        refused(
            post(CHUNKED, &format!("3;{extension}\r\nabc\r\n0\r\n\r\n")),
            Error::Chunk,
            400,
        );
    }
}

#[test]
fn trailers_do_not_change_what_was_framed() {
    let seen = ask(post(
        CHUNKED,
        "0\r\ncontent-length: 44\r\nhost: b\r\ntransfer-encoding: x\r\n\r\n",
    ))
    .unwrap();
    assert_eq!(seen[1..], [Seen::End]);
}

#[test]
fn a_first_line_longer_than_the_bound() {
    refused(
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(64 * 1024)),
        Error::HeadTooLarge,
        431,
    );
    refused("A".repeat(64 * 1024), Error::HeadTooLarge, 431);
}

#[test]
fn versions_that_are_none() {
    for version in [
        "HTTP/1.1\t",
        "HTTP/01.1",
        "HTTP/1.01",
        "hTTP/1.1",
        "HTTP/1,1",
        "HTTP /1.1",
    ] {
        refused(
            format!("GET / {version}\r\nhost: a\r\n\r\n"),
            Error::RequestLine,
            400,
        );
    }
}

#[test]
fn a_get_with_content_is_framed_as_any() {
    let mut conn = server();
    let text = format!(
        "{}GET /2 HTTP/1.1\r\nhost: a\r\n\r\n",
        get("content-length: 33\r\n")
    );
    let text = text + "x";
    let mut seen = Vec::new();
    feed(&mut conn, text.as_bytes(), &mut seen).unwrap();
    assert_eq!(content(&seen), b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\nx");
    assert_eq!(seen.len(), 2);
}

#[test]
fn fields_that_route_cannot_be_stripped_through_connection() {
    for option in [
        "host",
        "content-length",
        "x-forwarded-for",
        "x-forwarded-proto",
        ":authority",
    ] {
        refused(
            get(&format!("connection: close, {option}\r\n")),
            Error::ConnectionField,
            400,
        );
    }
}

#[test]
fn transfer_encoding_cannot_be_stripped_through_connection() {
    let seen = ask(post(
        &format!("connection: transfer-encoding\r\n{CHUNKED}"),
        "3\r\nabc\r\n0\r\n\r\n",
    ))
    .unwrap();
    assert_eq!(content(&seen), b"abc");
}

#[test]
fn an_upgrade_that_is_not_granted_leaves_what_follows_a_request() {
    let mut conn = server();
    asked(
        &mut conn,
        get("connection: upgrade\r\nupgrade: websocket\r\n"),
    )
    .unwrap();
    reply(&mut conn, "400", &[], BodyLength::Empty);
    let seen = asked(&mut conn, get("x: y\r\n")).unwrap();
    assert!(matches!(
        seen[..],
        [Seen::End, Seen::Request { .. }, Seen::End]
    ));
}

#[test]
fn a_server_that_answers_twice_is_not_heard_twice() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nevil!";
    assert_eq!(drive::answer("GET", text), Err(Error::Unsolicited));
    assert_eq!(
        drive::answer("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nevil!"),
        Err(Error::Unsolicited)
    );
    assert_eq!(
        drive::answer("GET", "HTTP/1.1 304 x\r\ncontent-length: 5\r\n\r\nevil!"),
        Err(Error::Unsolicited)
    );
}

#[test]
fn what_is_sent_cannot_be_split() {
    let mut client = Connection::new(http1::Role::Client, http1::Config::default());
    let good = [
        (":method", "GET"),
        (":authority", "a"),
        (":path", "/"),
        ("x", "y"),
    ];
    for at in 0..good.len() {
        for bad in ["a\r\nb: c", "a\nb", "a\rb", "a\0"] {
            let mut fields = good;
            fields[at].1 = bad;
            client
                .send_request(&drive::headers(&fields), BodyLength::Empty)
                .unwrap_err();
        }
    }
    for bad in ["x\r\ny", "x y", "x:", "", "x\n", "\u{e9}"] {
        let mut fields = good;
        fields[3].0 = bad;
        client
            .send_request(&drive::headers(&fields), BodyLength::Empty)
            .unwrap_err();
    }
    assert_eq!(client.output(), b"");
    client
        .send_request(&drive::headers(&good), BodyLength::Empty)
        .unwrap();
    assert_eq!(
        drive::written(&mut client),
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n"
    );
}
