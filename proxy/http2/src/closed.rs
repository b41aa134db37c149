//! What is remembered of streams that are gone.

use std::collections::VecDeque;

/// The streams that we reset last. The peer may have sent frames for them before it knew, which are dropped without a
/// word (RFC 9113, 5.1, "closed").
#[derive(Debug, Default)]
pub(crate) struct Resets {
    latest: VecDeque<u32>,
    /// The highest number that was dropped from `latest`: up to here any closed stream may be one that we reset.
    forgotten: u32,
}

impl Resets {
    pub(crate) fn remember(&mut self, number: u32, most: u32) {
        if self.latest.len() >= most as usize {
            let dropped = self.latest.pop_front().unwrap_or(number);
            self.forgotten = self.forgotten.max(dropped);
        }
        self.latest.push_back(number);
    }

    /// Whether we may have reset it.
    pub(crate) fn may_have(&self, number: u32) -> bool {
        number <= self.forgotten || self.latest.contains(&number)
    }

    pub(crate) fn memory(&self) -> usize {
        self.latest.capacity() * size_of::<u32>()
    }
}
