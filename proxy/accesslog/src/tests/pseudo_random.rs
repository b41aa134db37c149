//! Format strings made at random, the same on every run.

use super::{address, bare, fields};
use crate::{Entry, JsonTemplate, Template, Upstream, Value};

const SCRAPS: [&str; 32] = [
    "%",
    "%%",
    "(",
    ")",
    ":",
    "?",
    "START_TIME",
    "REQ",
    "RESP",
    "PROTOCOL",
    "%START_TIME(",
    "%Y",
    "%3f",
    "%E",
    "*S",
    "%REQ(",
    "a",
    "é",
    ":3",
    ":99999999999999999999999",
    "COMMON_DURATION(",
    "DS_RX_BEG",
    "PATH",
    "NQ",
    "\n",
    " ",
    "QUERY_PARAM(a)",
    "_WITHOUT_PORT(",
    "129",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "GRPC_STATUS",
    "%f",
];

/// Marsaglia's xorshift with 64 bits.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_format_makes_parsing_or_rendering_panic_and_json_stays_json() {
    let request = fields(&[(":path", "/?a=%2"), ("a", "v\u{1}")]);
    let entry = Entry {
        request: Some(&request),
        upstream: Upstream {
            host: Some(address("[::1]:1")),
            ..Upstream::default()
        },
        ..bare()
    };
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut taken = 0;
    let mut out = Vec::new();
    for _ in 0..200_000 {
        let mut format = String::new();
        for _ in 0..next(&mut state) % 8 {
            format.push_str(SCRAPS[(next(&mut state) % 32) as usize]);
        }
        out.clear();
        match Template::parse(&format) {
            Ok(template) => {
                taken += 1;
                template.render(&entry, &mut out);
            }
            Err(error) => assert!(
                format
                    .get(error.at..)
                    .is_some_and(|rest| rest.starts_with('%')),
                "{error} in {format:?}"
            ),
        }
        out.clear();
        if let Ok(template) = JsonTemplate::parse(
            &[("k".into(), Value::Text(format.clone()))],
            next(&mut state).is_multiple_of(2),
        ) {
            template.render(&entry, &mut out);
            assert!(out.starts_with(b"{") && out.ends_with(b"}\n"), "{format:?}");
            assert!(
                out[..out.len() - 1].iter().all(|b| *b >= b' '),
                "{format:?}"
            );
        }
    }
    assert!(
        taken > 10_000,
        "only {taken} formats were good: the scraps test too little"
    );
}
