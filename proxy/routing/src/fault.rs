//! Faults that configuration asks for (`HTTPFault`).

use std::time::Duration;

use graph::policy::{Abort, Fault};
use headers::Headers;

use crate::conditions::headers_hold;

/// What befalls a request: first the delay, then the abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injected {
    /// It waits so long.
    pub delay: Option<Duration>,
    /// It is answered so, with the body `fault filter abort`.
    pub abort: Option<Abort>,
}

/// Draws the faults of a request; `random` has a number for the delay and one for the abort.
#[must_use]
pub fn fault(fault: &Fault, request: &Headers, random: [u64; 2]) -> Injected {
    if !headers_hold(&fault.headers, request) {
        return Injected::default();
    }
    let [for_delay, for_abort] = random;
    let hit = |random: u64, millionths: u32| random % 1_000_000 < u64::from(millionths);
    Injected {
        delay: fault
            .delay
            .filter(|(time, share)| !time.is_zero() && hit(for_delay, *share))
            .map(|(time, _)| time),
        abort: fault
            .abort
            .filter(|(_, share)| hit(for_abort, *share))
            .map(|(abort, _)| abort),
    }
}
