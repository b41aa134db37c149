//! Numbers as text, without the formatting machinery: it costs more than the rest of a head.

/// Appends `n` in decimal.
pub(crate) fn decimal(n: u64, to: &mut Vec<u8>) {
    in_base::<10>(n, to);
}

/// Appends `n` in hexadecimal, lower case, as Envoy writes chunk sizes.
pub(crate) fn hexadecimal(n: u64, to: &mut Vec<u8>) {
    in_base::<16>(n, to);
}

fn in_base<const BASE: u64>(mut n: u64, to: &mut Vec<u8>) {
    let mut text = [0_u8; 20];
    let mut used = 0;
    for place in text.iter_mut().rev() {
        let digit = u32::try_from(n % BASE).unwrap_or(0);
        *place = char::from_digit(digit, 16).map_or(b'0', |c| c as u8);
        used += 1;
        n /= BASE;
        if n == 0 {
            break;
        }
    }
    to.extend_from_slice(text.get(text.len() - used..).unwrap_or_default());
}
