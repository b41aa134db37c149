//! The examples of RFC 7541, appendix C.

use hpack::{Decoder, Encoder};

use crate::{decode, decode_once, hex, list};

#[test]
fn c_1_integers_are_read_and_written() {
    // An update of the table's size is an integer with a prefix of five bits.
    let block = hex("3f9a0a");
    let mut decoder = Decoder::new(1337);
    assert!(decode(&mut decoder, &block).unwrap().is_empty());
    let mut decoder = Decoder::new(1336);
    assert!(decode(&mut decoder, &block).is_err());
    assert!(decode(&mut Decoder::new(10), &hex("2a")).is_ok());
    assert!(decode(&mut Decoder::new(9), &hex("2a")).is_err());
}

#[test]
fn c_2_1_literal_with_indexing() {
    let mut decoder = Decoder::new(4096);
    let want = list(&[("custom-key", "custom-header")]);
    let block = hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    assert_eq!(decode(&mut decoder, &block).unwrap(), want);
    assert_eq!(decode(&mut decoder, &hex("be")).unwrap(), want);
}

#[test]
fn c_2_2_literal_without_indexing() {
    let mut decoder = Decoder::new(4096);
    let block = hex("040c 2f73 616d 706c 652f 7061 7468");
    assert_eq!(
        decode(&mut decoder, &block).unwrap(),
        list(&[(":path", "/sample/path")])
    );
    assert!(decode(&mut decoder, &hex("be")).is_err());
    let mut out = Vec::new();
    Encoder::new().encode(&list(&[(":path", "/sample/path")]), &mut out);
    assert_eq!(out, block);
}

#[test]
fn c_2_3_literal_never_indexed() {
    let block = hex("1008 7061 7373 776f 7264 0673 6563 7265 74");
    let got = decode_once(&block).unwrap();
    let field = got.iter().next().unwrap();
    assert_eq!(
        (field.name, field.value, field.sensitive),
        (&b"password"[..], &b"secret"[..], true)
    );
    let mut out = Vec::new();
    Encoder::new().encode(&got, &mut out);
    assert_eq!(out, block);
}

#[test]
fn c_2_4_indexed() {
    assert_eq!(
        decode_once(&hex("82")).unwrap(),
        list(&[(":method", "GET")])
    );
}

/// The three requests of C.3 and C.4.
const REQUESTS: [&[(&str, &str)]; 3] = [
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

/// The three responses of C.5 and C.6.
const RESPONSES: [&[(&str, &str)]; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ],
];

fn decodes(table_size: usize, blocks: [&str; 3], lists: [&[(&str, &str)]; 3]) {
    let mut decoder = Decoder::new(table_size);
    for (block, fields) in blocks.iter().zip(lists) {
        assert_eq!(decode(&mut decoder, &hex(block)).unwrap(), list(fields));
    }
}

#[test]
fn c_3_requests_without_huffman() {
    decodes(
        4096,
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        REQUESTS,
    );
}

#[test]
fn c_4_requests_with_huffman() {
    decodes(
        4096,
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
        REQUESTS,
    );
}

#[test]
fn c_5_responses_without_huffman_evict() {
    decodes(
        256,
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032
             303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63
             6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
             5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
             5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ],
        RESPONSES,
    );
}

#[test]
fn c_6_responses_with_huffman_evict() {
    decodes(
        256,
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b
             ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad
             94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160
             65c0 03ed 4ee5 b106 3d50 07",
        ],
        RESPONSES,
    );
}

#[test]
fn every_list_of_the_appendix_comes_back_from_either_encoder() {
    for fields in REQUESTS.iter().chain(&RESPONSES) {
        for mut encoder in [Encoder::new(), Encoder::with_huffman()] {
            let mut out = Vec::new();
            encoder.encode(&list(fields), &mut out);
            assert_eq!(decode_once(&out).unwrap(), list(fields));
        }
    }
}
