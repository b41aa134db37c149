//! What of a worker as a whole is due when. Requests and connections have `Deadlines`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use graph::cluster::ClusterId;

/// Something due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Connections that have fallen quiet give back memory.
    Quiet,
    /// A listening socket that had no room is asked again.
    Accept(usize),
    /// Log lines are due at the writer.
    Logs,
    /// Connections of bytes are reported.
    Report,
    /// Ejections are looked at.
    Outliers(ClusterId),
}

/// All that is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The next one that is due by `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Timer> {
        if self.heap.peek().is_none_or(|Reverse((at, _))| *at > now) {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }

    /// How long nothing will be due.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        self.heap
            .peek()
            .map(|Reverse((at, _))| at.saturating_duration_since(now))
    }
}
