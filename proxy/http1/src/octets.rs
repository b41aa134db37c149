//! What single bytes may be, and finding them.

/// The lower case of each byte that a token may have (RFC 9110, 5.6.2), 0 for all others.
const TOKEN: [u8; 256] = token_table();

const fn token_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut b = 0_u8;
    while b < 128 {
        if b.is_ascii_alphanumeric()
            || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        {
            let (rest, _) = table.split_at_mut(b as usize + 1);
            if let Some(last) = rest.last_mut() {
                *last = b.to_ascii_lowercase();
            }
        }
        b += 1;
    }
    table
}

/// The lower case of a token's byte, 0 where a token may not have it.
pub(crate) fn token_lower(b: u8) -> u8 {
    TOKEN.get(usize::from(b)).copied().unwrap_or(0)
}

/// Whether it is a token (RFC 9110, 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| token_lower(*b) != 0)
}

/// Whether a field value may have these bytes (RFC 9110, 5.5): no control character but tab. Written without early
/// exit, so that it is compiled to vector instructions.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |bad, b| {
        bad | ((*b < b' ') & (*b != b'\t')) | (*b == 0x7f)
    })
}

/// Whether a request target may have these bytes: visible ASCII. Envoy takes those that RFC 3986 wants encoded, too.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && !bytes
            .iter()
            .fold(false, |bad, b| bad | (*b <= b' ') | (*b >= 0x7f))
}

/// Without optional white space at both ends (RFC 9110, 5.6.3).
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a list field's value, without empty ones (RFC 9110, 5.6.1).
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| *b == b',')
        .map(trim)
        .filter(|m| !m.is_empty())
}

/// Where the first line feed is. Looks at eight bytes at a time: the lowest bit that is set in `zero` is that of the
/// first byte that is a line feed.
pub(crate) fn line_feed(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let difference = u64::from_le_bytes(*word) ^ (ONES * 0x0a);
        let zero = difference.wrapping_sub(ONES) & !difference & (ONES * 0x80);
        if zero != 0 {
            return Some(index * 8 + (zero.trailing_zeros() / 8) as usize);
        }
    }
    let at = rest.iter().position(|b| *b == b'\n')?;
    Some(words.len() * 8 + at)
}

/// The token at the front of a field line, in lower case. `short` takes the usual ones, `long` any.
pub(crate) fn lower_name<'a>(
    line: &[u8],
    short: &'a mut [u8; 64],
    long: &'a mut Vec<u8>,
) -> &'a [u8] {
    let mut len = 0;
    for (place, b) in short.iter_mut().zip(line) {
        *place = token_lower(*b);
        if *place == 0 {
            break;
        }
        len += 1;
    }
    if len < short.len() {
        return short.get(..len).unwrap_or_default();
    }
    long.clear();
    long.extend(line.iter().map(|b| token_lower(*b)).take_while(|b| *b != 0));
    long
}

/// Whether a field name has no byte that would end it early: what else a token may not have, breaks no message.
pub(crate) fn ends_where_it_should(name: &[u8]) -> bool {
    !name.is_empty()
        && !name.iter().fold(false, |bad, b| {
            bad | (*b <= b' ') | (*b >= 0x7f) | (*b == b':')
        })
}

/// A number of decimal digits alone (RFC 9110, 8.6), if it fits.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}
