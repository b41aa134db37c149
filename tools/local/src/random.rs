//! Random names as Kubernetes makes them: uids and the suffixes of generated names.

use std::fs::File;
use std::io::Read;

/// Kubernetes' alphabet for generated names: no vowels and no look-alikes, so that no words come out.
pub const NAME_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `length` random characters of [`NAME_ALPHABET`].
pub fn suffix(length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    fill(&mut bytes);
    bytes.into_iter().map(name_character).collect()
}

/// The character of [`NAME_ALPHABET`] that a byte stands for.
pub fn name_character(byte: u8) -> char {
    let index = usize::from(byte) % NAME_ALPHABET.len();
    NAME_ALPHABET.get(index).map_or('b', |c| char::from(*c))
}

/// A version 4 UUID.
pub fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    fill(&mut bytes);
    let mut value = u128::from_be_bytes(bytes);
    value = value & !(0xf << 76) | (0x4 << 76);
    value = value & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{value:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

fn fill(bytes: &mut [u8]) {
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(bytes));
    if read.is_err() {
        // Names need to differ, not to be secret: the clock will do where the device is missing.
        let nanos = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        for (byte, seed) in bytes
            .iter_mut()
            .zip(nanos.to_le_bytes().into_iter().cycle())
        {
            *byte = byte.wrapping_add(seed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_version_4_uuids_and_differ() {
        let one = uuid();
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes().get(14), Some(&b'4'));
        assert!(matches!(
            one.as_bytes().get(19),
            Some(b'8' | b'9' | b'a' | b'b')
        ));
        assert_ne!(one, uuid());
    }

    #[test]
    fn suffixes_use_kubernetes_alphabet() {
        let made = suffix(64);
        assert_eq!(made.len(), 64);
        assert!(made.bytes().all(|c| NAME_ALPHABET.contains(&c)));
    }
}
