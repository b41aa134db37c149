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
    /// A request of HTTP/1.0, or of any other version of HTTP/1 form but 1.1.
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
    if !bytes.first().is_some_and(|b| is_token(*b)) {
        return Http::NotHttp;
    }
    let first = bytes.get(..MOST_HTTP_BYTES).unwrap_or(bytes);
    match first.iter().position(|b| *b == b'\n') {
        Some(end) => of_line(first.get(..end).unwrap_or_default()),
        None if bytes.len() >= MOST_HTTP_BYTES => Http::NotHttp,
        None => Http::NeedMore,
    }
}

/// A request line: method, target, version; without a version it is one of HTTP/0.9.
fn of_line(line: &[u8]) -> Http {
    let mut words = line
        .split(|b| matches!(b, b' ' | b'\t' | b'\r'))
        .filter(|word| !word.is_empty());
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Http::NotHttp;
    };
    let (version, more) = (words.next(), words.next());
    if more.is_some() || !method.iter().all(|b| is_token(*b)) || !is_target(method, target) {
        return Http::NotHttp;
    }
    match version {
        Some(b"HTTP/1.1") => Http::Http11,
        None => Http::Http10,
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Http::Http10
        }
        Some(_) => Http::NotHttp,
    }
}

/// A path, `*`, a URL, or for `CONNECT` an authority.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    if !target.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    if method == b"CONNECT" || matches!(target.first(), Some(b'/' | b'*')) {
        return true;
    }
    let Some(colon) = target.iter().position(|b| *b == b':') else {
        return false;
    };
    let scheme_character = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let scheme = target.get(..colon).unwrap_or_default();
    let rest = target.get(colon..).unwrap_or_default();
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(scheme_character)
        && rest.len() > 3
        && rest.starts_with(b"://")
}

/// Characters of a method (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
