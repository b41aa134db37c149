//! What the encoder writes (RFC 7541, 2.2, 4.2, 6 and 7.1).

use headers::{Field, Headers, Known};
use hpack::{Decoder, Encoder};

use crate::{decode, hex, list};

fn encode(headers: &Headers) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new().encode(headers, &mut out);
    out
}

#[test]
fn whole_static_entries_take_one_octet() {
    let headers = list(&[
        (":method", "GET"),
        (":method", "POST"),
        (":path", "/"),
        (":path", "/index.html"),
        (":scheme", "http"),
        (":scheme", "https"),
        (":status", "200"),
        (":status", "204"),
        (":status", "206"),
        (":status", "304"),
        (":status", "400"),
        (":status", "404"),
        (":status", "500"),
        ("accept-encoding", "gzip, deflate"),
    ]);
    assert_eq!(encode(&headers), hex("8283848586878889 8a8b8c8d8e90"));
}

#[test]
fn every_static_name_is_sent_by_index_and_nothing_is_indexed() {
    let all: Vec<u8> = (1..=61).map(|index| 0x80 | index).collect();
    let names = decode(&mut Decoder::new(4096), &all).unwrap();
    for field in names.iter() {
        let mut headers = Headers::new();
        headers.push(field.name, b"value");
        let block = encode(&headers);
        // No name as text, no literal with indexing.
        assert!(block.len() <= 2 + 1 + 5, "{headers:?}");
        assert_eq!(block[0] & 0xf0, 0, "{headers:?}");
        let mut decoder = Decoder::new(4096);
        assert_eq!(decode(&mut decoder, &block).unwrap(), headers);
        assert!(decode(&mut decoder, &hex("be")).is_err());
    }
}

#[test]
fn a_sensitive_field_must_stay_never_indexed() {
    for (name, value) in [("authorization", "secret"), (":method", "GET"), ("x", "y")] {
        let mut headers = Headers::new();
        headers.push_field(Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
            known: Known::of(name.as_bytes()),
            sensitive: true,
        });
        let block = encode(&headers);
        assert_eq!(block[0] & 0xf0, 0x10);
        let got = decode(&mut Decoder::new(4096), &block).unwrap();
        assert_eq!(got, headers);
        assert!(got.iter().all(|field| field.sensitive));
    }
}

#[test]
fn a_reduced_table_must_be_acknowledged_at_the_start_of_the_next_block_and_once() {
    let mut encoder = Encoder::new();
    encoder.set_peer_table_size(100);
    let headers = list(&[(":method", "GET")]);
    let mut out = Vec::new();
    encoder.encode(&headers, &mut out);
    assert_eq!(out, hex("2082"));
    out.clear();
    encoder.set_peer_table_size(0);
    encoder.set_peer_table_size(4096);
    encoder.set_peer_table_size(50);
    encoder.encode(&headers, &mut out);
    assert_eq!(out, hex("82"));
}

#[test]
fn a_raised_table_needs_no_word() {
    let mut encoder = Encoder::new();
    encoder.set_peer_table_size(65_536);
    let mut out = Vec::new();
    encoder.encode(&list(&[(":method", "GET")]), &mut out);
    assert_eq!(out, hex("82"));
}

#[test]
fn long_strings_come_back() {
    for len in [126, 127, 128, 254, 255, 16_383, 16_511, 100_000] {
        let headers = list(&[("x", &"v".repeat(len))]);
        assert_eq!(
            decode(&mut Decoder::new(4096), &encode(&headers)).unwrap(),
            headers
        );
    }
}

#[test]
fn every_known_name_comes_back_with_values_of_any_length() {
    for known in Known::ALL {
        for len in [0, 1, 126, 127, 128, 300] {
            for sensitive in [false, true] {
                let mut headers = Headers::new();
                headers.push_field(Field {
                    name: known.name().as_bytes(),
                    value: "v".repeat(len).as_bytes(),
                    known: Some(*known),
                    sensitive,
                });
                for mut encoder in [Encoder::new(), Encoder::with_huffman()] {
                    let mut block = Vec::new();
                    encoder.encode(&headers, &mut block);
                    assert_eq!(decode(&mut Decoder::new(4096), &block).unwrap(), headers);
                }
            }
        }
    }
}
