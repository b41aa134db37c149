//! RFC 9113, 8.3 and 8.3.1: pseudo-header fields of requests.

use http2::ErrorCode;

use crate::kit::{END_STREAM, Side, headers};

fn malformed(fields: &[(&str, &str)]) {
    let mut side = Side::server();
    let seen = side.resets(
        &headers(1, END_STREAM, fields),
        1,
        ErrorCode::PROTOCOL_ERROR,
    );
    assert_eq!(seen, [], "{fields:?}");
}

fn well_formed(fields: &[(&str, &str)]) {
    Side::server().request(1, END_STREAM, fields);
}

const M: (&str, &str) = (":method", "GET");
const S: (&str, &str) = (":scheme", "https");
const P: (&str, &str) = (":path", "/a?b");
const A: (&str, &str) = (":authority", "a:80");

#[test]
fn method_scheme_and_path_must_each_be_there_once() {
    well_formed(&[M, S, P, A]);
    well_formed(&[A, P, S, M]);
    well_formed(&[M, S, P]);
    for fields in [[S, P, A], [M, P, A], [M, S, A]] {
        malformed(&fields);
    }
    for twice in [M, S, P, A] {
        malformed(&[M, S, P, A, twice]);
    }
    malformed(&[]);
}

#[test]
fn pseudo_header_fields_must_come_before_regular_ones() {
    malformed(&[M, S, P, ("x", "y"), A]);
    malformed(&[("x", "y"), M, S, P, A]);
}

#[test]
fn pseudo_header_fields_that_are_not_defined_for_requests_must_be_malformed() {
    malformed(&[M, S, P, A, (":status", "200")]);
    malformed(&[M, S, P, A, (":unknown", "x")]);
    malformed(&[M, S, P, A, (":", "x")]);
    // Not announced: see RFC 8441.
    malformed(&[M, S, P, A, (":protocol", "websocket")]);
}

#[test]
fn a_path_must_not_be_empty_and_starts_with_a_slash_or_is_the_asterisk_of_options() {
    for path in ["", "a", "http://a/", "*", "/a b", "/a\n", "/\0", "/\x7f"] {
        malformed(&[M, S, (":path", path), A]);
    }
    well_formed(&[(":method", "OPTIONS"), S, (":path", "*"), A]);
    for path in ["/", "//", "/*", "/%00", "/\u{e9}", "/?", "/{}|\"<>"] {
        well_formed(&[M, S, (":path", path), A]);
    }
    // Other schemes have paths of their own.
    well_formed(&[M, (":scheme", "urn"), (":path", "a:b"), A]);
    malformed(&[M, (":scheme", "urn"), (":path", ""), A]);
}

#[test]
fn a_method_must_be_a_token() {
    for method in ["", "G T", "GET ", "G\0T", "GET\r\nx: y", "\u{80}"] {
        malformed(&[(":method", method), S, P, A]);
    }
    for method in ["get", "PATCH", "M-SEARCH", "!"] {
        well_formed(&[(":method", method), S, P, A]);
    }
}

#[test]
fn a_scheme_must_be_one() {
    for scheme in ["", "1http", "ht tp", "http:", "h\0"] {
        malformed(&[M, (":scheme", scheme), P, A]);
    }
    for scheme in ["http", "HTTPS", "coap+tcp"] {
        well_formed(&[M, (":scheme", scheme), P, A]);
    }
}

#[test]
fn an_authority_must_have_no_user_information_and_no_strange_octets() {
    for authority in [
        "user@host",
        "a b",
        "a/b",
        "a\0",
        "a\r\n",
        "a\"",
        "a?b",
        "\u{e9}",
    ] {
        malformed(&[M, S, P, (":authority", authority)]);
    }
    for authority in [
        "",
        "a.b-c_d:80",
        "[::1]:80",
        "xn--e1afmkfd.example",
        "a%20b",
    ] {
        well_formed(&[M, S, P, (":authority", authority)]);
    }
}

#[test]
fn a_host_field_beside_an_authority_passes_to_the_data_path() {
    well_formed(&[M, S, P, A, ("host", "b")]);
}
