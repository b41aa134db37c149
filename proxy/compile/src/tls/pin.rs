//! SHA-256 sums as configuration writes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// 64 hexadecimal digits, or 32 pairs of them with colons between, as `openssl x509 -fingerprint` prints them.
pub(super) fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let colons = text.len() == 95;
    let digits = match colons {
        true => {
            let pairs = text.split(':');
            if !pairs.clone().all(|pair| pair.len() == 2) {
                return None;
            }
            pairs.collect()
        }
        false => text.to_owned(),
    };
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut sum = [0; 32];
    for (at, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(sum)
}

/// Base64 of a sum.
pub(super) fn base64(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_in_both_forms_and_nothing_else_is_one() {
        let plain = "00ff".repeat(16);
        let colons = ["00", "FF"].repeat(16).join(":");
        let sum = [[0, 255]; 16].concat();
        for text in [&plain, &colons] {
            assert_eq!(hexadecimal(text).map(|s| s.to_vec()), Some(sum.clone()));
        }
        for text in [
            "",
            "00",
            "0:".repeat(48).as_str(),
            &"zz".repeat(32),
            &"\u{e9}".repeat(32),
            &":".repeat(95),
        ] {
            assert_eq!(hexadecimal(text), None, "{text}");
        }
        assert_eq!(
            base64(&STANDARD.encode(&sum)).map(|s| s.to_vec()),
            Some(sum)
        );
        for text in ["", "AAAA", "*"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
