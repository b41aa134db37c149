//! How long a retry waits.

use std::time::Duration;

use graph::policy::Retry;

/// The wait before retry number `done` + 1: a random part of the base doubled `done` times, at most of the maximum
/// (full jitter), in whole milliseconds.
#[must_use]
pub fn backoff(policy: &Retry, done: u32, random: u64) -> Duration {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let base = millis(policy.backoff_base).max(1);
    let most = millis(policy.backoff_max).max(base);
    let interval = base
        .checked_mul(1u64.checked_shl(done).unwrap_or(u64::MAX))
        .map_or(most, |time| time.min(most));
    Duration::from_millis(random.checked_rem(interval).unwrap_or(0))
}
