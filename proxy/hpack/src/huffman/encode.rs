//! Huffman encoding.

use super::{CODES, LENGTHS};

/// The code and the length of each octet.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler
static OCTETS: [(u32, u8); 256] = {
    let mut octets = [(0, 0); 256];
    let mut i = 0;
    while i < 256 {
        octets[i] = (CODES[i], LENGTHS[i]);
        i += 1;
    }
    octets
};

fn code(octet: u8) -> (u32, u8) {
    OCTETS.get(usize::from(octet)).copied().unwrap_or_default()
}

/// How many octets `encode` would append.
pub(crate) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|octet| usize::from(code(*octet).1)).sum();
    bits.div_ceil(8)
}

/// Appends `input` in the code, padded with the start of EOS.
pub(crate) fn encode(input: &[u8], out: &mut Vec<u8>) {
    // The low `held` bits wait; fewer than 8 before each octet, and no code has more than 30.
    let mut bits: u64 = 0;
    let mut held: u32 = 0;
    for octet in input {
        let (code, length) = code(*octet);
        bits = bits << length | u64::from(code);
        held += u32::from(length);
        while held >= 8 {
            held -= 8;
            out.push((bits >> held).to_le_bytes()[0]);
        }
    }
    if held > 0 {
        let padding = 8 - held;
        out.push((bits << padding | ((1 << padding) - 1)).to_le_bytes()[0]);
    }
}
