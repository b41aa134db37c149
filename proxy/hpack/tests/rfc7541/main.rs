//! RFC 7541: the vectors of its appendix C, and a test for each of its demands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod appendix_c;
mod decoding;
mod encoding;
mod hostile;
mod huffman;
mod tables;

use headers::Headers;
use hpack::{Decoder, Error, Limits, Outcome};

/// Limits that nothing here reaches.
const ANY: Limits = Limits {
    max_list_size: 1 << 20,
    max_fields: 1000,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| u8::try_from((b as char).to_digit(16).unwrap()).unwrap())
        .collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

fn list(fields: &[(&str, &str)]) -> Headers {
    let mut list = Headers::new();
    list.extend(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    list
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Headers, Error> {
    let mut out = Headers::new();
    let outcome = decoder.decode(block, &mut out, ANY)?;
    assert_eq!(outcome, Outcome::Complete);
    Ok(out)
}

/// Decodes a block with a new decoder.
fn decode_once(block: &[u8]) -> Result<Headers, Error> {
    decode(&mut Decoder::new(4096), block)
}
