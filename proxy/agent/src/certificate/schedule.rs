//! When a certificate is renewed. Pure: the clock and chance come from outside.

use std::time::{Duration, SystemTime};

/// How much earlier or later than the grace point renewal may begin, as a part of the lifetime.
const JITTER: f64 = 0.01;
/// The least part of a lifetime that passes before renewal, and the least that is left then: a grace
/// of 1 would ask the authority without end, one of 0 would ask when it is too late.
const MARGIN: f64 = 0.05;
/// The least time between two certificates, however short-lived they are.
const LEAST: Duration = Duration::from_secs(1);

/// When to renew a certificate that was received at `received` and ends at `not_after`: when
/// `grace` (`SECRET_GRACE_PERIOD_RATIO`) of that time is left, a hundredth earlier or later by
/// `chance` (`0.0..1.0`). Counted from receipt, as authorities date certificates back.
pub fn renewal(received: SystemTime, not_after: SystemTime, grace: f64, chance: f64) -> SystemTime {
    let lifetime = not_after.duration_since(received).unwrap_or_default();
    let part = 1.0 - grace + (chance * 2.0 - 1.0) * JITTER;
    received
        + lifetime
            .mul_f64(part.clamp(MARGIN, 1.0 - MARGIN))
            .max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn waits(lifetime: Duration, grace: f64, chance: f64) -> Duration {
        let now = SystemTime::UNIX_EPOCH + DAY;
        renewal(now, now + lifetime, grace, chance)
            .duration_since(now)
            .unwrap_or_default()
    }

    #[test]
    fn a_day_is_renewed_at_half_life_give_or_take_a_hundredth() {
        assert_eq!(waits(DAY, 0.5, 0.5), DAY / 2);
        assert_eq!(waits(DAY, 0.5, 0.0), DAY.mul_f64(0.49));
        assert_eq!(waits(DAY, 0.5, 1.0), DAY.mul_f64(0.51));
    }

    #[test]
    fn a_grace_of_a_fifth_renews_after_four_fifths() {
        assert_eq!(waits(DAY, 0.2, 0.5), DAY.mul_f64(0.8));
    }

    #[test]
    fn a_grace_of_all_or_nothing_neither_asks_without_end_nor_too_late() {
        assert_eq!(waits(DAY, 1.0, 0.0), DAY.mul_f64(0.05));
        assert_eq!(waits(DAY, 0.0, 1.0), DAY.mul_f64(0.95));
    }

    #[test]
    fn a_certificate_that_hardly_lives_does_not_make_a_storm_of_requests() {
        assert_eq!(waits(Duration::from_millis(10), 0.5, 0.5), LEAST);
        assert_eq!(waits(Duration::ZERO, 1.0, 0.0), LEAST);
    }
}
