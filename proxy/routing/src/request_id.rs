//! `x-request-id`: a UUID of version 4. Envoy keeps in its 15th character why a request is traced; `4`, which the
//! version asks for, says that it is not.

use graph::manager::HttpManager;
use headers::{Headers, Known};

/// Length of the text.
pub const LENGTH: usize = 36;

/// The text of a UUID version 4 out of 128 bits at random.
#[must_use]
pub fn uuid(random: [u64; 2]) -> [u8; LENGTH] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let [high, low] = random;
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let bits = (u128::from(high) << 64) | u128::from(low);
    let mut text = [b'-'; LENGTH];
    let mut shift = 128u32;
    for (at, place) in text.iter_mut().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            continue;
        }
        shift -= 4;
        let nibble = (bits >> shift) as usize & 0xf;
        *place = HEX.get(nibble).copied().unwrap_or(b'0');
    }
    text
}

/// Gives a request its id where it has none, or where it comes from outside (`edge`) and ids from there do not count.
pub fn set(request: &mut Headers, manager: &HttpManager, edge: bool, random: [u64; 2]) {
    if !manager.generate_request_id {
        return;
    }
    let replace = edge && !manager.preserve_external_request_id;
    if replace || !request.has(Known::XRequestId) {
        request.set(Known::XRequestId, &uuid(random));
    }
}
