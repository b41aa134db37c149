//! RFC 9113, 8.2: names, values and connection-specific fields.

use http2::ErrorCode;

use crate::kit::{END_STREAM, GET, OK, POST, Seen, Side, data, fields_of, headers, list};

/// Checks that a field makes a request, a response and trailers malformed.
fn malformed(name: &str, value: &str) {
    let mut side = Side::server();
    let seen = side.resets(
        &headers(1, END_STREAM, &[GET, &[(name, value)]].concat()),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(seen, [], "{name}: {value}");
    side.request(3, 0, POST);
    side.resets(
        &headers(3, END_STREAM, &[(name, value)]),
        3,
        ErrorCode::PROTOCOL_ERROR,
    );
    let mut side = Side::client();
    side.open(true);
    side.resets(
        &headers(1, END_STREAM, &[OK, &[(name, value)]].concat()),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
}

/// Checks that a field passes as it is.
fn well_formed(name: &str, value: &[u8]) {
    let mut side = Side::server();
    let mut fields = list(GET);
    fields.push(name.as_bytes(), value);
    let mut block = Vec::new();
    hpack::Encoder::new().encode(&fields, &mut block);
    let seen = side.see(&crate::kit::frame(1, 4 | END_STREAM, 1, &block));
    let [Seen::Headers { fields: got, .. }] = &seen[..] else {
        panic!("{name}: {value:?}: {seen:?}")
    };
    assert_eq!(*got, fields_of(&fields));
}

#[test]
fn a_name_with_upper_case_letters_must_be_malformed() {
    malformed("X-Name", "v");
    malformed("x-namE", "v");
    malformed("Te", "trailers");
}

#[test]
fn a_name_that_is_no_token_must_be_malformed() {
    for name in [
        "", "a b", "a:b", "a\0", "a\r", "a\n", "a\x7f", "a\u{80}", "a(b)", "a/b", "\"a\"",
    ] {
        malformed(name, "v");
    }
    for byte in 0..=0x20u8 {
        malformed(&format!("a{}", byte as char), "v");
    }
}

#[test]
fn every_lower_case_token_is_a_name() {
    well_formed("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz", b"v");
}

#[test]
fn a_value_with_nul_cr_lf_or_another_control_character_must_be_malformed() {
    for byte in (0..=0x1fu8).filter(|b| *b != b'\t').chain([0x7f]) {
        for value in [
            format!("{}", byte as char),
            format!("a{}b", byte as char),
            format!("{}a", byte as char),
            format!(
                "a long value, longer than any vector of a machine is{}",
                byte as char
            ),
        ] {
            malformed("x", &value);
            malformed("via", &value);
        }
    }
}

#[test]
fn a_value_with_white_space_at_either_end_must_be_malformed() {
    for value in [" a", "a ", "\ta", "a\t", " ", "\t"] {
        malformed("x", value);
        malformed("user-agent", value);
    }
}

#[test]
fn other_values_pass_as_they_are() {
    for value in [
        &b""[..],
        b"a b\tc",
        b"\x80\xff",
        "caf\u{e9}".as_bytes(),
        b"\"quoted\" (comment) {json: [1]}",
    ] {
        well_formed("x", value);
        well_formed("user-agent", value);
    }
}

#[test]
fn connection_specific_fields_must_be_malformed() {
    for (name, value) in [
        ("connection", "keep-alive"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ] {
        malformed(name, value);
    }
}

#[test]
fn te_must_be_trailers_or_malformed() {
    for value in ["", "gzip", "trailers, gzip", "trailers;q=1"] {
        malformed("te", value);
    }
    well_formed("te", b"trailers");
    well_formed("te", b"Trailers");
}

#[test]
fn we_must_not_send_connection_specific_fields() {
    let mut side = Side::client();
    let hop_by_hop = [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers"),
        ("x", "y"),
    ];
    let fields = [GET, &hop_by_hop].concat();
    side.connection.open(&list(&fields), true, 0).unwrap();
    let sent = side.sent();
    let got = side.section(&sent);
    let want = [GET, &[("te", "trailers"), ("x", "y")]].concat();
    assert_eq!(got, fields_of(&list(&want)));
}

#[test]
fn cookies_that_come_apart_are_kept_apart() {
    let mut side = Side::server();
    let fields = [GET, &[("cookie", "a=b"), ("cookie", "c=d")]].concat();
    let seen = side.see(&headers(1, END_STREAM, &fields));
    let [Seen::Headers { fields: got, .. }] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(*got, fields_of(&list(&fields)));
}

#[test]
fn a_content_length_that_is_no_number_must_be_malformed() {
    for value in [
        "",
        "-1",
        "+1",
        "1 ",
        "0x1",
        "1,1",
        "99999999999999999999",
        "1.0",
    ] {
        malformed("content-length", value);
    }
}

#[test]
fn two_content_lengths_must_be_malformed() {
    let mut side = Side::server();
    let twice = [POST, &[("content-length", "1"), ("content-length", "1")]].concat();
    side.resets(&headers(1, 0, &twice), 1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_malformed_message_is_reset_and_the_caller_told_if_it_knows_the_stream() {
    let mut side = Side::client();
    let stream = side.open(false);
    let seen = side.resets(
        &headers(1, 0, &[(":status", "200"), ("X", "y")]),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(
        seen,
        [Seen::Reset {
            stream,
            token: 7,
            code: ErrorCode::PROTOCOL_ERROR,
            by_us: true
        }]
    );
    assert_eq!(side.see(&data(1, END_STREAM, b"x")), []);
}
