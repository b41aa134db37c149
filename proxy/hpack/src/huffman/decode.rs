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
    let mut bits = Bits {
        input,
        gone: 0,
        held: 0,
    };
    // Written here first: one check for room for many symbols.
    let mut chunk = [0; CHUNK];
    let mut written = 0;
    loop {
        bits.refill();
        if written > CHUNK - MOST_HELD {
            out.extend_from_slice(chunk.get(..written).unwrap_or_default());
            written = 0;
        }
        // While the longest code fits, no code can be cut off by the end.
        while bits.held >= LONGEST_BITS {
            let (symbol, length) = bits.symbol()?;
            bits.drop(length);
            if let Some(place) = chunk.get_mut(written) {
                *place = symbol;
            }
            written += 1;
        }
        if bits.input.is_empty() {
            break;
        }
    }
    // Padding is fewer than 8 bits, all ones, the start of EOS: no symbol's code is.
    while bits.held >= 8 || bits.gone != 0 {
        let (symbol, length) = bits.symbol()?;
        if length > bits.held {
            return Err(Error::InvalidHuffman);
        }
        bits.drop(length);
        if let Some(place) = chunk.get_mut(written) {
            *place = symbol;
        }
        written += 1;
    }
    out.extend_from_slice(chunk.get(..written).unwrap_or_default());
    Ok(())
}

/// How many symbols at most there are in what `Bits` holds: no code is shorter than 5 bits.
const MOST_HELD: usize = 64 / 5 + 1;

/// How many symbols are gathered.
const CHUNK: usize = 96;

/// The length of the longest code.
const LONGEST_BITS: u32 = 30;

/// Bits on their way out of octets.
struct Bits<'a> {
    input: &'a [u8],
    /// The next 64 bits, inverted: what shifts in after the last octet reads as ones, like padding.
    gone: u64,
    /// How many of them are from the input.
    held: u32,
}

impl Bits<'_> {
    /// Takes octets until at least 32 bits are held, if there are as many.
    #[inline]
    fn refill(&mut self) {
        if self.held >= 32 {
            return;
        }
        if let Some((word, rest)) = self.input.split_first_chunk::<4>() {
            let word = u64::from(!u32::from_be_bytes(*word));
            self.gone |= (word << 32) >> self.held;
            self.held += 32;
            self.input = rest;
            return;
        }
        for octet in self.input {
            self.gone |= (u64::from(!octet) << 56) >> self.held;
            self.held += 8;
        }
        self.input = &[];
    }

    /// The octet that the bits start with, and the length of its code.
    #[inline]
    fn symbol(&self) -> Result<(u8, u32), Error> {
        let start = usize::try_from(!self.gone >> (64 - TABLE_BITS)).unwrap_or(0);
        match SHORT.get(start).copied().unwrap_or(0).to_be_bytes() {
            [_, 0] => self.long_symbol(),
            [symbol, length] => Ok((symbol, u32::from(length))),
        }
    }

    /// The octet whose code is longer than what the table has. EOS is none.
    #[cold]
    fn long_symbol(&self) -> Result<(u8, u32), Error> {
        let word = !self.gone >> 32;
        for length in &LONG {
            if word < length.end {
                let nth = (word >> (32 - length.bits)) - u64::from(length.first);
                let place = usize::try_from(nth).unwrap_or(0) + length.place;
                return match IN_ORDER.get(place).map(|symbol| u8::try_from(*symbol)) {
                    Some(Ok(symbol)) => Ok((symbol, length.bits)),
                    _ => Err(Error::InvalidHuffman),
                };
            }
        }
        Err(Error::InvalidHuffman)
    }

    #[inline]
    fn drop(&mut self, length: u32) {
        self.gone <<= length;
        self.held -= length;
    }
}
