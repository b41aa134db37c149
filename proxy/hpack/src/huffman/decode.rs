//! Huffman decoding: one look into a table for codes of up to 10 bits, which are all that usual headers have, and a
//! search over the lengths for longer ones.

use super::{CODES, EOS, LENGTHS, LONGEST, SYMBOLS};
use crate::Error;

/// The bits that the table is indexed with.
const TABLE_BITS: usize = 10;

/// For each start of `TABLE_BITS` bits: symbol << 8 | length, or 0 where the code is longer.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // evaluated by the compiler
static SHORT: [u16; 1 << TABLE_BITS] = {
    let mut table = [0; 1 << TABLE_BITS];
    let mut symbol = 0;
    while symbol < EOS {
        let length = LENGTHS[symbol] as usize;
        if length <= TABLE_BITS {
            let spare = TABLE_BITS - length;
            let first = (CODES[symbol] as usize) << spare;
            let mut i = 0;
            while i < 1 << spare {
                table[first + i] = (symbol << 8 | length) as u16;
                i += 1;
            }
        }
        symbol += 1;
    }
    table
};

/// The symbols in the order of their codes.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // evaluated by the compiler
static IN_ORDER: [u16; SYMBOLS] = {
    let mut order = [0; SYMBOLS];
    let mut n = 0;
    let mut length = 1;
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                order[n] = symbol as u16;
                n += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
};

/// The codes of one length.
#[derive(Clone, Copy)]
struct Length {
    bits: u32,
    /// The first code beyond this length, left-aligned in 32 bits.
    end: u64,
    /// The first code of this length.
    first: u32,
    /// Its place in `IN_ORDER`.
    place: usize,
}

/// The lengths beyond the table's.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // evaluated by the compiler
static LONG: [Length; LONGEST - TABLE_BITS] = {
    let mut lengths = [Length {
        bits: 0,
        end: 0,
        first: 0,
        place: 0,
    }; LONGEST - TABLE_BITS];
    let mut code = 0u64;
    let mut place = 0;
    let mut length = 1;
    while length <= LONGEST {
        code <<= 1;
        let mut count = 0;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                count += 1;
            }
            symbol += 1;
        }
        if length > TABLE_BITS {
            lengths[length - TABLE_BITS - 1] = Length {
                bits: length as u32,
                end: (code + count) << (32 - length),
                first: code as u32,
                place,
            };
        }
        code += count;
        place += count as usize;
        length += 1;
    }
    lengths
};

/// Appends to `out` what `input` stands for.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    // No code is shorter than 5 bits.
    out.reserve(input.len() * 8 / 5);
    let mut input = input;
    // The high `held` bits wait, all ones after them: what follows the last octet then reads as padding.
    let mut bits = u64::MAX;
    let mut held: u32 = 0;
    loop {
        if held < 32 {
            if let Some((word, rest)) = input.split_first_chunk::<4>() {
                let word = u64::from(u32::from_be_bytes(*word));
                bits = bits & !(u64::MAX >> held) | (word << 32) >> held | u64::MAX >> (held + 32);
                held += 32;
                input = rest;
            } else {
                for octet in input {
                    bits = bits & !(u64::MAX >> held)
                        | (u64::from(*octet) << 56) >> held
                        | u64::MAX >> (held + 8);
                    held += 8;
                }
                input = &[];
            }
        }
        let start = usize::try_from(bits >> (64 - TABLE_BITS)).unwrap_or(0);
        let entry = SHORT.get(start).copied().unwrap_or(0);
        let (symbol, length) = if entry == 0 {
            long(bits)
        } else {
            (entry >> 8, u32::from(entry & 0xff))
        };
        if length > held {
            // Only padding is left: fewer than 8 bits, ones, whose continuation with ones no symbol but EOS is.
            let all_ones = bits == u64::MAX;
            return if held < 8 && all_ones {
                Ok(())
            } else {
                Err(Error::InvalidHuffman)
            };
        }
        let Ok(octet) = u8::try_from(symbol) else {
            return Err(Error::InvalidHuffman);
        };
        out.push(octet);
        bits = bits << length | ((1 << length) - 1);
        held -= length;
    }
}

/// The symbol that `bits` start with, and its length, where that is more than the table's.
#[cold]
fn long(bits: u64) -> (u16, u32) {
    let word = bits >> 32;
    for length in &LONG {
        if word < length.end {
            let code = word >> (32 - length.bits);
            let place = usize::try_from(code - u64::from(length.first)).unwrap_or(0) + length.place;
            return (IN_ORDER.get(place).copied().unwrap_or(0), length.bits);
        }
    }
    (IN_ORDER.last().copied().unwrap_or(0), 30)
}
