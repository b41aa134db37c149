//! Messages of gRPC calls, counted as their bytes pass.

/// Bytes before each message: a flag and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// One direction of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Messages {
    /// The part of a prefix that has come.
    prefix: [u8; PREFIX],
    had: u8,
    /// Bytes of the current message that have not come.
    left: u32,
    /// Messages whose prefix has come.
    pub(crate) count: u64,
}

impl Messages {
    /// Takes bytes of the body.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            if self.left > 0 {
                let skip = bytes.len().min(self.left as usize);
                // At most `left`, which is a u32.
                self.left -= skip as u32;
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.prefix.get_mut(usize::from(self.had)) {
                *place = *first;
            }
            self.had += 1;
            bytes = bytes.get(1..).unwrap_or_default();
            if usize::from(self.had) == PREFIX {
                let [_, a, b, c, d] = self.prefix;
                self.left = u32::from_be_bytes([a, b, c, d]);
                self.had = 0;
                self.count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_their_bytes_are_cut() {
        let mut body = Vec::new();
        for length in [0_u32, 7, 300, 0, 1] {
            body.push(0);
            body.extend_from_slice(&length.to_be_bytes());
            body.resize(body.len() + length as usize, b'x');
        }
        for part in 1..body.len() {
            let mut messages = Messages::default();
            for bytes in body.chunks(part) {
                messages.pass(bytes);
            }
            assert_eq!(messages.count, 5, "in parts of {part}");
        }
    }
}
