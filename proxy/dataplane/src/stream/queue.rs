//! Bytes that wait, taken from the front a part at a time.

use std::ops::Deref;

/// What was taken is dropped once it is more than this and more than what is left: each byte moves once at most.
const SLIDE: usize = 16 << 10;
/// Memory that a queue keeps between messages.
const KEPT: usize = 16 << 10;
/// Memory that a queue keeps which was emptied and may be filled again at once.
const KEPT_IN_USE: usize = 128 << 10;

/// A queue of bytes; it reads as a slice of those that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    /// Appends bytes.
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops so many bytes from the front.
    pub(crate) fn take(&mut self, n: usize) {
        self.taken = self.bytes.len().min(self.taken + n);
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_IN_USE);
            self.taken = 0;
        } else if self.taken > SLIDE && self.taken > self.bytes.len() - self.taken {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Drops all, and memory that one message needed and the next may not.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.taken = 0;
    }
}

impl Deref for Queue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Queue {
    fn from(bytes: Vec<u8>) -> Self {
        Queue { bytes, taken: 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_however_they_are_taken() {
        let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for (put, take) in [
            (1000, 1),
            (16_384, 9_000),
            (70_000, 16_384),
            (200_000, 7_777),
        ] {
            let mut queue = Queue::default();
            let mut came = Vec::new();
            for part in sent.chunks(put) {
                queue.extend_from_slice(part);
                let n = queue.len().min(take);
                came.extend_from_slice(&queue[..n]);
                queue.take(n);
            }
            while !queue.is_empty() {
                let n = queue.len().min(take);
                came.extend_from_slice(&queue[..n]);
                queue.take(n);
            }
            assert!(came == sent, "{put} in, {take} out");
            assert!(queue.bytes.capacity() <= KEPT_IN_USE);
            queue.clear();
            assert!(queue.bytes.capacity() <= KEPT);
        }
    }
}
