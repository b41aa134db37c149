//! The static table (RFC 7541, appendix A).

use headers::{Field, Known};

/// How many entries there are: indices 1 to 61.
pub(crate) const LEN: usize = 61;

const fn known(known: Known, value: &'static str) -> Field<'static> {
    Field {
        name: known.name().as_bytes(),
        value: value.as_bytes(),
        known: Some(known),
        sensitive: false,
    }
}

const fn other(name: &'static str, value: &'static str) -> Field<'static> {
    Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
        known: None,
        sensitive: false,
    }
}

/// The entries in order.
static ENTRIES: [Field<'static>; LEN] = [
    known(Known::Authority, ""),
    known(Known::Method, "GET"),
    known(Known::Method, "POST"),
    known(Known::Path, "/"),
    known(Known::Path, "/index.html"),
    known(Known::Scheme, "http"),
    known(Known::Scheme, "https"),
    known(Known::Status, "200"),
    known(Known::Status, "204"),
    known(Known::Status, "206"),
    known(Known::Status, "304"),
    known(Known::Status, "400"),
    known(Known::Status, "404"),
    known(Known::Status, "500"),
    other("accept-charset", ""),
    other("accept-encoding", "gzip, deflate"),
    other("accept-language", ""),
    other("accept-ranges", ""),
    other("accept", ""),
    other("access-control-allow-origin", ""),
    other("age", ""),
    other("allow", ""),
    known(Known::Authorization, ""),
    other("cache-control", ""),
    other("content-disposition", ""),
    other("content-encoding", ""),
    other("content-language", ""),
    known(Known::ContentLength, ""),
    other("content-location", ""),
    other("content-range", ""),
    known(Known::ContentType, ""),
    known(Known::Cookie, ""),
    known(Known::Date, ""),
    other("etag", ""),
    known(Known::Expect, ""),
    other("expires", ""),
    other("from", ""),
    known(Known::Host, ""),
    other("if-match", ""),
    other("if-modified-since", ""),
    other("if-none-match", ""),
    other("if-range", ""),
    other("if-unmodified-since", ""),
    other("last-modified", ""),
    other("link", ""),
    known(Known::Location, ""),
    other("max-forwards", ""),
    other("proxy-authenticate", ""),
    other("proxy-authorization", ""),
    other("range", ""),
    other("referer", ""),
    other("refresh", ""),
    known(Known::RetryAfter, ""),
    known(Known::Server, ""),
    other("set-cookie", ""),
    other("strict-transport-security", ""),
    known(Known::TransferEncoding, ""),
    known(Known::UserAgent, ""),
    other("vary", ""),
    known(Known::Via, ""),
    other("www-authenticate", ""),
];

/// The entry of an index, from 1.
#[inline]
pub(crate) fn get(index: usize) -> Option<&'static Field<'static>> {
    ENTRIES.get(index.wrapping_sub(1))
}

/// The index of the entry that is this field, name and value.
#[inline]
pub(crate) fn find(field: &Field<'_>) -> Option<u8> {
    let Some(known) = field.known else {
        return (field.name == b"accept-encoding" && field.value == b"gzip, deflate").then_some(16);
    };
    // Of known names only pseudo-header fields have entries with values.
    if !known.is_pseudo() {
        return None;
    }
    match (known, field.value) {
        (Known::Method, b"GET") => Some(2),
        (Known::Method, b"POST") => Some(3),
        (Known::Path, b"/") => Some(4),
        (Known::Path, b"/index.html") => Some(5),
        (Known::Scheme, b"http") => Some(6),
        (Known::Scheme, b"https") => Some(7),
        (Known::Status, b"200") => Some(8),
        (Known::Status, b"204") => Some(9),
        (Known::Status, b"206") => Some(10),
        (Known::Status, b"304") => Some(11),
        (Known::Status, b"400") => Some(12),
        (Known::Status, b"404") => Some(13),
        (Known::Status, b"500") => Some(14),
        _ => None,
    }
}

/// The index of the first entry with this field's name; 0 where there is none, as a literal with a new name has it.
#[inline]
pub(crate) fn find_name(field: &Field<'_>) -> u8 {
    field
        .known
        .map_or_else(|| other_name(field.name), known_name)
}

/// A known name as a literal without indexing starts with it.
#[derive(Clone, Copy)]
struct Prefix {
    len: u8,
    bytes: [u8; 47],
}

/// What a literal field without indexing has before its value: the index of its name, or the name. None for no known name.
#[inline]
pub(crate) fn prefix(known: Known) -> Option<&'static [u8]> {
    let prefix = PREFIXES.get(known as usize)?;
    prefix.bytes.get(..usize::from(prefix.len))
}

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // evaluated by the compiler
static PREFIXES: [Prefix; Known::ALL.len()] = {
    let mut prefixes = [Prefix {
        len: 0,
        bytes: [0; 47],
    }; Known::ALL.len()];
    let mut k = 0;
    while k < Known::ALL.len() {
        let known = Known::ALL[k];
        let index = known_name(known);
        let name = known.name().as_bytes();
        let bytes = &mut prefixes[known as usize].bytes;
        let len = if index >= 0x0f {
            (bytes[0], bytes[1]) = (0x0f, index - 0x0f);
            2
        } else if index > 0 {
            bytes[0] = index;
            1
        } else {
            bytes[1] = name.len() as u8;
            let mut i = 0;
            while i < name.len() {
                bytes[2 + i] = name[i];
                i += 1;
            }
            2 + name.len()
        };
        prefixes[known as usize].len = len as u8;
        k += 1;
    }
    prefixes
};

const fn known_name(known: Known) -> u8 {
    match known {
        Known::Authority => 1,
        Known::Method => 2,
        Known::Path => 4,
        Known::Scheme => 6,
        Known::Status => 8,
        Known::Authorization => 23,
        Known::ContentLength => 28,
        Known::ContentType => 31,
        Known::Cookie => 32,
        Known::Date => 33,
        Known::Expect => 35,
        Known::Host => 38,
        Known::Location => 46,
        Known::RetryAfter => 53,
        Known::Server => 54,
        Known::TransferEncoding => 57,
        Known::UserAgent => 58,
        Known::Via => 60,
        _ => 0,
    }
}

fn other_name(name: &[u8]) -> u8 {
    match name {
        b"accept-charset" => 15,
        b"accept-encoding" => 16,
        b"accept-language" => 17,
        b"accept-ranges" => 18,
        b"accept" => 19,
        b"access-control-allow-origin" => 20,
        b"age" => 21,
        b"allow" => 22,
        b"cache-control" => 24,
        b"content-disposition" => 25,
        b"content-encoding" => 26,
        b"content-language" => 27,
        b"content-location" => 29,
        b"content-range" => 30,
        b"etag" => 34,
        b"expires" => 36,
        b"from" => 37,
        b"if-match" => 39,
        b"if-modified-since" => 40,
        b"if-none-match" => 41,
        b"if-range" => 42,
        b"if-unmodified-since" => 43,
        b"last-modified" => 44,
        b"link" => 45,
        b"max-forwards" => 47,
        b"proxy-authenticate" => 48,
        b"proxy-authorization" => 49,
        b"range" => 50,
        b"referer" => 51,
        b"refresh" => 52,
        b"set-cookie" => 55,
        b"strict-transport-security" => 56,
        b"vary" => 59,
        b"www-authenticate" => 61,
        _ => 0,
    }
}
