//! `x-request-id`: a UUID of version 4. Envoy keeps in its 15th character why a request is traced; `4`, which the
//! version asks for, says that it is not.

use graph::manager::HttpManager;
use headers::{Headers, Known};

/// Length of the text.
pub const LENGTH: usize = 36;

/// The text of a UUID version 4 out of 128 bits at random.
#[must_use]
pub fn uuid(random: [u64; 2]) -> [u8; LENGTH] {
    /// Where the two digits of each byte stand.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let [high, low] = random;
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let bits = (u128::from(high) << 64) | u128::from(low);
    let mut text = [b'-'; LENGTH];
    for (byte, at) in bits.to_be_bytes().into_iter().zip(PLACES) {
        if let (Some(place), Some(digits)) = (text.get_mut(at..at + 2), HEX.get(usize::from(byte)))
        {
            place.copy_from_slice(digits);
        }
    }
    text
}

/// `00` to `ff`.
static HEX: [[u8; 2]; 256] = hex();

#[allow(clippy::indexing_slicing)] // when the program is compiled
const fn hex() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        hex[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    hex
}

/// Gives a request its id where it has none, or where it comes from outside (`edge`) and ids from there do not count.
pub fn set(request: &mut Headers, manager: &HttpManager, edge: bool, random: [u64; 2]) {
    if !manager.generate_request_id {
        return;
    }
    let replace = edge && !manager.preserve_external_request_id;
    let none = request.get(Known::XRequestId).is_none_or(<[u8]>::is_empty);
    if replace || none {
        request.set(Known::XRequestId, &uuid(random));
    }
}
