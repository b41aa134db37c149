//! Integers, strings and limits (RFC 7541, 5 and 7).

use headers::{Headers, Known};
use hpack::{Decoder, Error, Limits, Outcome};

use crate::{ANY, decode, decode_once, hex, list};

#[test]
fn an_integer_that_overflows_must_be_an_error() {
    for block in [
        // More than 32 bits, in five octets and in more.
        "ffffffffff7f",
        "ff8080808010",
        "7fffffffffffffffffff01",
        // Nothing but zeros, on and on.
        "ff808080808000",
    ] {
        assert_eq!(
            decode_once(&hex(block)).unwrap_err(),
            Error::IntegerOverflow,
            "{block}"
        );
    }
}

#[test]
fn an_integer_may_have_needless_zeros() {
    // 127 + 0 in four octets, and 2 - 127 cannot be: the index is 127.
    assert_eq!(
        decode_once(&hex("ff80808000")).unwrap_err(),
        Error::InvalidIndex
    );
    assert!(decode_once(&hex("3f8000 82")).is_ok());
}

#[test]
fn a_block_that_ends_inside_a_field_must_be_an_error() {
    let whole = hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    for end in 1..whole.len() {
        assert_eq!(
            decode_once(&whole[..end]).unwrap_err(),
            Error::Truncated,
            "{end}"
        );
    }
    for block in ["ff", "ff80", "3f", "3f80", "048c f1e3"] {
        assert_eq!(
            decode_once(&hex(block)).unwrap_err(),
            Error::Truncated,
            "{block}"
        );
    }
}

#[test]
fn an_empty_block_is_an_empty_list() {
    assert!(decode_once(&[]).unwrap().is_empty());
}

#[test]
fn a_known_name_that_comes_as_text_gets_its_slot() {
    let got = decode_once(&hex("0002746508747261696c657273")).unwrap();
    assert_eq!(got.get(Known::Te), Some(&b"trailers"[..]));
}

#[test]
fn names_and_values_may_be_empty_to_the_codec() {
    assert_eq!(decode_once(&hex("000000")).unwrap(), list(&[("", "")]));
}

#[test]
fn a_list_beyond_its_size_is_cut_and_the_block_decoded_to_its_end() {
    let mut decoder = Decoder::new(4096);
    let limits = Limits {
        max_list_size: 2 * 34,
        ..ANY
    };
    // Three fields of 34, all indexed.
    let block = hex("400161 0131 400162 0132 400163 0133");
    let mut out = Headers::new();
    assert_eq!(
        decoder.decode(&block, &mut out, limits),
        Ok(Outcome::TooLarge)
    );
    assert_eq!(out, list(&[("a", "1"), ("b", "2")]));
    // The table has all three.
    assert_eq!(
        decode(&mut decoder, &hex("bebfc0")).unwrap(),
        list(&[("c", "3"), ("b", "2"), ("a", "1")])
    );
}

#[test]
fn after_the_first_field_too_many_none_follows_even_if_it_fits() {
    let limits = Limits {
        max_list_size: 80,
        ..ANY
    };
    let mut block = hex("82 000161 28");
    block.extend([b'v'; 40]);
    block.extend(hex("86"));
    let mut out = Headers::new();
    let outcome = Decoder::new(4096).decode(&block, &mut out, limits);
    assert_eq!(outcome, Ok(Outcome::TooLarge));
    assert_eq!(out, list(&[(":method", "GET")]));
}

#[test]
fn a_list_of_too_many_fields_is_cut() {
    let limits = Limits {
        max_fields: 2,
        ..ANY
    };
    let mut out = Headers::new();
    let outcome = Decoder::new(4096).decode(&hex("828684"), &mut out, limits);
    assert_eq!(outcome, Ok(Outcome::TooLarge));
    assert_eq!(out.len(), 2);
    let outcome = Decoder::new(4096).decode(&hex("8286"), &mut Headers::new(), limits);
    assert_eq!(outcome, Ok(Outcome::Complete));
}

#[test]
fn a_small_block_that_names_a_large_entry_often_costs_no_memory() {
    let mut decoder = Decoder::new(4096);
    let mut block = hex("400161 7f811e");
    block.extend([b'v'; 127 + 0xf01]);
    let limits = Limits {
        max_list_size: 60_000,
        max_fields: 100,
    };
    block.extend(std::iter::repeat_n(0xbe, 100_000));
    let mut out = Headers::new();
    assert_eq!(
        decoder.decode(&block, &mut out, limits),
        Ok(Outcome::TooLarge)
    );
    assert!(out.size() <= 60_000);
    assert!(decoder.memory() < 5 * 4096, "{}", decoder.memory());
}
