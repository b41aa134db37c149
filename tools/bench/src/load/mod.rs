//! Requests made and timed, and every answer looked at. Closed loop: each answer makes room for the next request. Open
//! loop: requests are due at fixed times whatever happened to those before, and latency counts from when each was due,
//! so that a stall is felt by all whom it made wait.

mod client;
mod exchange;
mod latency;
mod link;
mod pacer;

use std::net::SocketAddrV4;
use std::time::Duration;

pub(crate) use client::run;
pub(crate) use exchange::{Exchange, Version};
pub(crate) use latency::Latencies;

/// When requests are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// So many under way on each connection, always.
    Closed {
        /// Requests under way on one connection; HTTP/1 has one.
        in_flight: usize,
    },
    /// So many a second over all connections, evenly.
    Open {
        /// Requests due in a second.
        per_second: u32,
    },
}

/// Load to be made.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) target: SocketAddrV4,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    /// While it counts.
    pub(crate) time: Duration,
    pub(crate) exchange: Exchange,
}

/// A moment of a load at which others look at what they measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// From here on it counts.
    Begin,
    /// To here it counted.
    End,
}

/// What was seen while it counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Requests that were answered.
    pub(crate) answered: u64,
    pub(crate) time: Duration,
    pub(crate) latencies: Latencies,
}
