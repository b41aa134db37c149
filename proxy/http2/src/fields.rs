//! The rules for field sections (RFC 9113, 8.2 and 8.3; RFC 8441, 4). What breaks them is malformed and resets its
//! stream.
//!
//! Two rules are left to the data path, which does as Envoy does: a `host` field beside `:authority` is not compared with
//! it, and a request without either passes.

use headers::{Field, Headers, Known};

/// The section breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Bits of the pseudo-header fields seen or allowed.
const fn bit(known: Known) -> u8 {
    1 << known as u8
}

const METHOD: u8 = bit(Known::Method);
const SCHEME: u8 = bit(Known::Scheme);
const AUTHORITY: u8 = bit(Known::Authority);
const PATH: u8 = bit(Known::Path);
const PROTOCOL: u8 = bit(Known::Protocol);
const STATUS: u8 = bit(Known::Status);

/// Checks a request and gives its content-length. With `!complete` the end of the section was cut off: only what is
/// there is checked.
pub(crate) fn request(
    headers: &Headers,
    complete: bool,
    connect_protocol: bool,
) -> Result<Option<u64>, Malformed> {
    let allowed = METHOD | SCHEME | AUTHORITY | PATH | if connect_protocol { PROTOCOL } else { 0 };
    let section = section(headers, allowed)?;
    if !complete {
        return Ok(None);
    }
    let seen = section.pseudo;
    let method = headers.get(Known::Method).unwrap_or_default();
    let mandatory = if method != b"CONNECT" {
        METHOD | SCHEME | PATH
    } else if seen & PROTOCOL != 0 {
        METHOD | SCHEME | PATH | AUTHORITY | PROTOCOL
    } else {
        METHOD | AUTHORITY
    };
    let optional = if method == b"CONNECT" { 0 } else { AUTHORITY };
    if seen & !optional != mandatory {
        return Err(Malformed);
    }
    if mandatory & PATH != 0 {
        request_target(headers, method)?;
    }
    Ok(if method == b"CONNECT" {
        None
    } else {
        section.content_length
    })
}

/// The path of an http or https request is absolute, or `*` of OPTIONS (RFC 9113, 8.3.1).
fn request_target(headers: &Headers, method: &[u8]) -> Result<(), Malformed> {
    let scheme = headers.get(Known::Scheme).unwrap_or_default();
    let path = headers.get(Known::Path).unwrap_or_default();
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let is_absolute = path.first() == Some(&b'/');
    if is_absolute || !is_http || (path == b"*" && method == b"OPTIONS") {
        Ok(())
    } else {
        Err(Malformed)
    }
}

/// A response's status and content-length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_length: Option<u64>,
}

/// Checks a response. With `!complete` a missing status passes as 0.
pub(crate) fn response(headers: &Headers, complete: bool) -> Result<Response, Malformed> {
    let section = section(headers, STATUS)?;
    let status = match headers.get(Known::Status) {
        Some(value) => status(value)?,
        None if complete => return Err(Malformed),
        None => 0,
    };
    Ok(Response {
        status,
        content_length: section.content_length.filter(|_| complete),
    })
}

/// Three digits, and not 101, which HTTP/2 does not have (RFC 9113, 8.6).
fn status(value: &[u8]) -> Result<u16, Malformed> {
    match value {
        [h @ b'1'..=b'9', t @ b'0'..=b'9', o @ b'0'..=b'9'] if value != b"101" => {
            Ok(u16::from(h - b'0') * 100 + u16::from(t - b'0') * 10 + u16::from(o - b'0'))
        }
        _ => Err(Malformed),
    }
}

/// Checks trailers: no pseudo-header field (RFC 9113, 8.1).
pub(crate) fn trailers(headers: &Headers) -> Result<(), Malformed> {
    section(headers, 0).map(|_| ())
}

/// What one pass over a section finds.
struct Section {
    pseudo: u8,
    content_length: Option<u64>,
}

fn section(headers: &Headers, allowed: u8) -> Result<Section, Malformed> {
    let mut pseudo = 0;
    let mut regular = false;
    let mut content_length = None;
    for field in headers.iter() {
        match field.known {
            Some(known) if known.is_pseudo() => {
                // Each once at most, allowed here, and before all regular fields.
                if regular || pseudo & bit(known) != 0 || allowed & bit(known) == 0 {
                    return Err(Malformed);
                }
                pseudo |= bit(known);
                if !pseudo_value_is_valid(known, field.value) {
                    return Err(Malformed);
                }
            }
            known => {
                regular = true;
                check_regular(&field)?;
                if known == Some(Known::ContentLength) {
                    if content_length.is_some() {
                        return Err(Malformed);
                    }
                    content_length = Some(number(field.value)?);
                }
            }
        }
    }
    Ok(Section {
        pseudo,
        content_length,
    })
}

#[inline]
fn check_regular(field: &Field<'_>) -> Result<(), Malformed> {
    let name_is_valid = match field.known {
        // Known names are lower-case tokens.
        Some(Known::Te) => field.value.eq_ignore_ascii_case(b"trailers"),
        Some(known) => !known.is_hop_by_hop(),
        None => all(field.name, NAME),
    };
    if name_is_valid && value_is_valid(field.value) {
        Ok(())
    } else {
        Err(Malformed)
    }
}

/// No control character but HTAB, no white space at either end (RFC 9113, 8.2.1; RFC 9110, 5.5). Octets from 0x80 on are
/// obs-text, which Envoy passes as well.
#[inline]
fn value_is_valid(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if blank(value.first()) || blank(value.last()) {
        return false;
    }
    all_from(value, 0x20)
        || value
            .iter()
            .all(|byte| *byte == b'\t' || is_from(*byte, 0x20))
}

/// Whether an octet is `low` or above and not DEL.
const fn is_from(byte: u8, low: u8) -> bool {
    byte >= low && byte != 0x7f
}

/// Whether each octet is `low` (at most 0x80) or above and not DEL: eight at a time, the last ones twice.
#[inline]
fn all_from(bytes: &[u8], low: u8) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    let lows = ONES * u64::from(low);
    // A high bit for each word in which an octet is below `low`, or zero once DEL is taken away.
    let bad = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        let no_del = word ^ (ONES * 0x7f);
        (word.wrapping_sub(lows) & !word) | (no_del.wrapping_sub(ONES) & !no_del)
    };
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().all(|byte| is_from(*byte, low));
    };
    let (words, _) = bytes.as_chunks();
    let any = words.iter().fold(bad(last), |any, word| any | bad(word));
    any & HIGHS == 0
}

fn pseudo_value_is_valid(known: Known, value: &[u8]) -> bool {
    match known {
        Known::Method | Known::Protocol => all(value, TOKEN),
        Known::Scheme => {
            all(value, SCHEME_CHAR) && value.first().is_some_and(u8::is_ascii_alphabetic)
        }
        Known::Authority => value.is_empty() || all(value, AUTHORITY_CHAR),
        Known::Path => !value.is_empty() && all_from(value, 0x21),
        // The status is read by its own rule.
        _ => true,
    }
}

/// A content-length (RFC 9110, 8.6).
fn number(value: &[u8]) -> Result<u64, Malformed> {
    if value.is_empty() {
        return Err(Malformed);
    }
    value.iter().try_fold(0u64, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte - b'0'),
            _ => return Err(Malformed),
        };
        sum.checked_mul(10)
            .and_then(|sum| sum.checked_add(digit))
            .ok_or(Malformed)
    })
}

/// A lower-case token (RFC 9110, 5.6.2; RFC 9113, 8.2.1).
const NAME: u8 = 1;
/// A token.
const TOKEN: u8 = 2;
/// RFC 3986, 3.1.
const SCHEME_CHAR: u8 = 4;
/// RFC 3986, 3.2, without user information (RFC 9113, 8.3.1).
const AUTHORITY_CHAR: u8 = 8;

/// What each octet may be part of.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // evaluated by the compiler
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut i = 0;
    while i < 128 {
        let byte = i as u8;
        let alphanumeric = byte.is_ascii_alphanumeric();
        if alphanumeric || is_among(byte, b"!#$%&'*+-.^_`|~") {
            classes[i] |= TOKEN;
            if !byte.is_ascii_uppercase() {
                classes[i] |= NAME;
            }
        }
        if alphanumeric || is_among(byte, b"+-.") {
            classes[i] |= SCHEME_CHAR;
        }
        if alphanumeric || is_among(byte, b"-._~!$&'()*+,;=:[]%") {
            classes[i] |= AUTHORITY_CHAR;
        }
        i += 1;
    }
    classes
};

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn is_among(byte: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

/// Whether there is an octet and each is of a class.
#[inline]
fn all(bytes: &[u8], class: u8) -> bool {
    let of = |byte: &u8| CLASSES.get(usize::from(*byte)).copied().unwrap_or(0);
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut common = class;
    for [a, b, c, d, e, f, g, h] in chunks {
        common &= of(a) & of(b) & of(c) & of(d) & of(e) & of(f) & of(g) & of(h);
    }
    for byte in rest {
        common &= of(byte);
    }
    common != 0 && !bytes.is_empty()
}
