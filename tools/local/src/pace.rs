//! How often those who follow the store look at all of it.

use std::time::{Duration, Instant};

/// The longest that a change waits to be seen.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Rests after a look that began then, three times as long as it took, [`LONGEST_REST`] at most: while hundreds of pods
/// change, a follower of the store takes a quarter of one core and sees many changes at once. Where a look takes no
/// time, nobody waits.
pub(crate) async fn rest(since: Instant) {
    let rest = rest_after(since.elapsed());
    if !rest.is_zero() {
        tokio::time::sleep(rest).await;
    }
}

fn rest_after(look: Duration) -> Duration {
    // A timer's own grain: less would be rounded up to it.
    if look < Duration::from_micros(300) {
        return Duration::ZERO;
    }
    look.saturating_mul(3).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_look_is_followed_by_the_next_at_once_and_a_long_one_by_a_bounded_rest() {
        for (look, rest) in [(0, 0), (299, 0), (1_000, 3_000), (900_000, 500_000)] {
            assert_eq!(
                rest_after(Duration::from_micros(look)),
                Duration::from_micros(rest)
            );
        }
    }
}
