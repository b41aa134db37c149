//! The application's own protocol over TCP: a number of eight bytes, answered with so many bytes.

use std::io;

use super::answer::CONTENT;
use super::connection;

#[derive(Default)]
pub(super) struct Speaker {
    asked: [u8; 8],
    have: usize,
    /// Bytes that are still to be sent.
    left: u64,
}

impl connection::Speaker for Speaker {
    fn take(&mut self, input: &[u8]) -> io::Result<()> {
        for byte in input {
            if let Some(place) = self.asked.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            if self.have == self.asked.len() {
                self.left += u64::from_be_bytes(self.asked);
                self.have = 0;
            }
        }
        Ok(())
    }

    fn output(&mut self) -> &[u8] {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX);
        CONTENT.get(..len.min(CONTENT.len())).unwrap_or(&CONTENT)
    }

    fn advance(&mut self, n: usize) {
        self.left -= n as u64;
    }
}
