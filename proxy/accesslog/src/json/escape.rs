//! Text as it stands inside a JSON string.

/// Escapes what `out` holds from `start` on, in place.
///
/// Valid UTF-8 gets JSON's short escapes. Header values may hold any byte from 0x80 on (RFC 9110, 5.5): where text is no
/// UTF-8, Envoy writes each byte that is not plain ASCII, quotes and backslashes included, as `\u00XX`.
pub(super) fn escape_from(out: &mut Vec<u8>, start: usize) {
    let text = out.get(start..).unwrap_or_default();
    if text.iter().all(|b| is_plain(*b)) {
        return;
    }
    let width = if std::str::from_utf8(text).is_ok() {
        short_width
    } else {
        long_width
    };
    let grown: usize = text.iter().map(|b| width(*b)).sum();
    let end = out.len();
    out.resize(start + grown, 0);
    // From the end, so that nothing is overwritten before it is read.
    let mut write = out.len();
    for read in (start..end).rev() {
        let Some(byte) = out.get(read).copied() else {
            return;
        };
        let width = width(byte);
        write -= width;
        if let Some(place) = out.get_mut(write..write + width) {
            write_escaped(byte, place);
        }
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Bytes that a byte of UTF-8 takes.
fn short_width(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    }
}

/// Bytes that a byte of other text takes.
fn long_width(byte: u8) -> usize {
    if is_plain(byte) { 1 } else { 6 }
}

/// Writes a byte in the form that its width says.
fn write_escaped(byte: u8, place: &mut [u8]) {
    let hex = |nibble: u8| match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    };
    match place {
        [one] => *one = byte,
        [backslash, letter] => {
            *backslash = b'\\';
            *letter = match byte {
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                8 => b'b',
                12 => b'f',
                other => other,
            };
        }
        [start @ .., high, low] => {
            start.copy_from_slice(b"\\u00");
            *high = hex(byte >> 4);
            *low = hex(byte & 15);
        }
        [] => {}
    }
}
