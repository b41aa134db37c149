//! Which version of HTTP a connection begins with, decided as Envoy's `http_inspector` does.

/// A first line that is longer is not HTTP.
pub const MOST_HTTP_BYTES: usize = 64 * 1024;

/// What a connection of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// Not to be told yet.
    NeedMore,
    /// A request of HTTP/1.0, or of a version before.
    Http10,
    /// A request of HTTP/1.1.
    Http11,
    /// The preface of HTTP/2.
    Http2,
    /// Something else.
    NotHttp,
}

/// Looks at the first bytes of a connection.
#[must_use]
pub fn http(bytes: &[u8]) -> Http {
    let shared = bytes.len().min(PREFACE.len());
    if bytes.get(..shared) == PREFACE.get(..shared) {
        return if shared == PREFACE.len() {
            Http::Http2
        } else {
            Http::NeedMore
        };
    }
    if !bytes.first().is_some_and(|b| begins_method(*b)) {
        return Http::NotHttp;
    }
    match bytes.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        Some(end) => of_line(bytes.get(..end).unwrap_or_default()),
        None if bytes.len() >= MOST_HTTP_BYTES => Http::NotHttp,
        None => Http::NeedMore,
    }
}

fn of_line(line: &[u8]) -> Http {
    let mut words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
    let (Some(_method), Some(_target)) = (words.next(), words.next()) else {
        return Http::NotHttp;
    };
    match (words.next(), words.next()) {
        (Some(b"HTTP/1.1"), None) => Http::Http11,
        (Some(b"HTTP/1.0"), None) => Http::Http10,
        _ => Http::NotHttp,
    }
}

/// Letters that methods begin with.
fn begins_method(byte: u8) -> bool {
    byte.is_ascii_uppercase()
}
