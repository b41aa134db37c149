//! Formats and what they render to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod filters;
mod formats;
mod json;
mod lines;
mod operators;
mod pseudo_random;
mod times;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headers::Headers;

use crate::{Downstream, Entry, Template};

/// 2023-10-31T14:52:14.279Z, of the article's first line.
fn moment() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_698_763_934_279)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> Headers {
    let mut fields = Headers::new();
    for (name, value) in pairs {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    fields
}

fn bare() -> Entry<'static> {
    let downstream = Downstream::new(address("10.0.0.2:80"), address("10.0.0.1:1234"));
    Entry::new(moment(), downstream)
}

fn render(format: &str, entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    Template::parse(format).unwrap().render(entry, &mut out);
    String::from_utf8(out).unwrap()
}

fn problem(format: &str) -> String {
    Template::parse(format).unwrap_err().to_string()
}
