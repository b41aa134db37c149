//! The query of a path, as Envoy takes it apart: nothing is decoded.

/// What follows the first `?`, up to the fragment; empty where there is none.
#[must_use]
pub fn of(path: &[u8]) -> &[u8] {
    let Some(at) = memchr::memchr(b'?', path) else {
        return b"";
    };
    let query = path.get(at + 1..).unwrap_or_default();
    let end = memchr::memchr(b'#', query).unwrap_or(query.len());
    query.get(..end).unwrap_or(query)
}

/// Names and values in order. A parameter without `=` has an empty value.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|b| *b == b'&')
        .filter(|p| !p.is_empty())
        .map(|pair| match pair.iter().position(|b| *b == b'=') {
            Some(at) => (
                pair.get(..at).unwrap_or_default(),
                pair.get(at + 1..).unwrap_or_default(),
            ),
            None => (pair, &b""[..]),
        })
}
