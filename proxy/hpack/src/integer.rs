//! Integers with a prefix (RFC 7541, 5.1).

use crate::Error;

/// The most octets after the prefix: enough for 32 bits, and no more zeros than that.
const MOST_OCTETS: usize = 5;

/// Takes an integer whose first octet has `prefix` bits of it from the front of `input`.
#[inline]
pub(crate) fn decode(input: &mut &[u8], prefix: u32) -> Result<usize, Error> {
    let (&first, rest) = input.split_first().ok_or(Error::Truncated)?;
    *input = rest;
    let full = (1u8 << prefix) - 1;
    let value = first & full;
    if value < full {
        return Ok(usize::from(value));
    }
    decode_rest(input, u64::from(full))
}

fn decode_rest(input: &mut &[u8], full: u64) -> Result<usize, Error> {
    let mut value = full;
    for i in 0..MOST_OCTETS {
        let (&octet, rest) = input.split_first().ok_or(Error::Truncated)?;
        *input = rest;
        value += u64::from(octet & 0x7f) << (7 * i);
        if octet & 0x80 == 0 {
            return u32::try_from(value)
                .ok()
                .and_then(|v| usize::try_from(v).ok())
                .ok_or(Error::IntegerOverflow);
        }
    }
    Err(Error::IntegerOverflow)
}

/// Appends `value` with a prefix of `prefix` bits below the bits of `pattern`.
#[inline]
pub(crate) fn encode(value: usize, prefix: u32, pattern: u8, out: &mut Vec<u8>) {
    let full = (1usize << prefix) - 1;
    if value < full {
        out.push(pattern | value.to_le_bytes()[0]);
        return;
    }
    out.push(pattern | full.to_le_bytes()[0]);
    let mut rest = value - full;
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}
