//! Chance, so that a thousand pods do not all ask the same server at the same moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A number in `0.0..1.0`. Good enough to spread load, not for secrets.
pub fn unit() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// Growing waits between attempts of one task: each is drawn from the upper half of a window that
/// doubles up to a limit.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    window: Duration,
}

impl Backoff {
    /// Waits that begin around `first` and never exceed `limit`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            window: first,
        }
    }

    /// The wait before the next attempt; `chance` is in `0.0..1.0`.
    pub fn next(&mut self, chance: f64) -> Duration {
        let wait = self.window.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        self.window = self.window.saturating_mul(2).min(self.limit);
        wait
    }

    /// Back to the first wait, after a success.
    pub fn reset(&mut self) {
        self.window = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_within_its_unit_and_varies() {
        let drawn: Vec<f64> = (0..64).map(|_| unit()).collect();
        assert!(drawn.iter().all(|c| (0.0..1.0).contains(c)));
        assert!(drawn.iter().any(|c| Some(c) != drawn.first()));
    }

    #[test]
    fn waits_double_up_to_the_limit_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        let waits: Vec<u64> = (0..4).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 4]);
        assert_eq!(backoff.next(0.0), Duration::from_secs(2));
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
    }
}
