//! Huffman-coded strings (RFC 7541, 5.2).

use headers::Headers;
use hpack::{Encoder, Error};

use crate::{decode_once, hex, list};

/// `x: VALUE` with a value that is coded as `bits`.
fn coded(bits: &str) -> Vec<u8> {
    let bytes = hex(bits);
    let mut block = vec![0, 1, b'x', 0x80 | u8::try_from(bytes.len()).unwrap()];
    block.extend(bytes);
    block
}

#[test]
fn every_octet_and_every_pair_comes_back() {
    for first in 0..=255u8 {
        let mut headers = Headers::new();
        for second in 0..=255u8 {
            headers.push(b"x", &[first, second, first]);
        }
        let mut out = Vec::new();
        Encoder::with_huffman().encode(&headers, &mut out);
        assert_eq!(decode_once(&out).unwrap(), headers);
    }
}

#[test]
fn strings_of_every_length_come_back() {
    for len in 0..300 {
        let value: String = "/aZ 09%{}|~;=".chars().cycle().take(len).collect();
        let headers = list(&[("x-name", &value), (&value.to_lowercase(), "x")]);
        let mut out = Vec::new();
        Encoder::with_huffman().encode(&headers, &mut out);
        assert_eq!(decode_once(&out).unwrap(), headers);
    }
}

#[test]
fn what_huffman_makes_longer_is_left_as_it_is() {
    let mut headers = Headers::new();
    headers.push(b"x", b"\x01\x02\x03");
    let mut out = Vec::new();
    Encoder::with_huffman().encode(&headers, &mut out);
    assert_eq!(out, b"\x00\x01x\x03\x01\x02\x03");
}

#[test]
fn padding_that_is_not_the_start_of_eos_must_be_an_error() {
    // 'a' is 00011: padded with ones, with zeros, with a zero in the middle.
    assert_eq!(decode_once(&coded("1f")).unwrap(), list(&[("x", "a")]));
    for bits in ["18", "1e", "1b"] {
        assert_eq!(
            decode_once(&coded(bits)).unwrap_err(),
            Error::InvalidHuffman,
            "{bits}"
        );
    }
}

#[test]
fn padding_of_more_than_7_bits_must_be_an_error() {
    for bits in ["ff", "1fff", "1fffff", "f8ff", "1fffffff"] {
        assert_eq!(
            decode_once(&coded(bits)).unwrap_err(),
            Error::InvalidHuffman,
            "{bits}"
        );
    }
}

#[test]
fn eos_in_a_string_must_be_an_error() {
    // Alone, after 'a', before more, and long enough to fill any buffer.
    for bits in [
        "fffffffc",
        "ffffffff",
        "1fffffffff",
        "fffffffc1f",
        "ffffffffffffffffffffff",
    ] {
        assert_eq!(
            decode_once(&coded(bits)).unwrap_err(),
            Error::InvalidHuffman,
            "{bits}"
        );
    }
}

#[test]
fn an_empty_coded_string_is_empty() {
    assert_eq!(decode_once(&coded("")).unwrap(), list(&[("x", "")]));
}

#[test]
fn the_bounds_of_a_long_string_are_those_of_the_block() {
    let mut block = coded("1f");
    block[3] = 0x82;
    assert_eq!(decode_once(&block).unwrap_err(), Error::Truncated);
}
