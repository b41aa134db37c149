//! What is due when. A heap; what is no longer wanted stays in it and is ignored when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use graph::cluster::ClusterId;

use crate::stream::StreamKey;

/// Something due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A request's time is over.
    Request(StreamKey),
    /// An attempt's time is over: the attempt by its number.
    Attempt(StreamKey, u32),
    /// A retry's wait is over.
    Retry(StreamKey),
    /// A connection's inspection or handshake, or a connect, took too long: connection by slot and number.
    Opening(usize, u64),
    /// Whether a connection has been idle for too long.
    Idle(usize, u64),
    /// A draining connection's time is over.
    Drained(usize, u64),
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
