//! Waiting for a burst of changes to end before acting on it.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait. Istio's `PILOT_DEBOUNCE_AFTER` and `PILOT_DEBOUNCE_MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    /// How long it must have been quiet; zero acts at once.
    pub after: Duration,
    /// The longest wait since the first change, quiet or not.
    pub max: Duration,
}

impl Default for Debounce {
    fn default() -> Self {
        Self {
            after: Duration::from_millis(100),
            max: Duration::from_secs(10),
        }
    }
}

impl Debounce {
    /// When to act, for a first and a last change at these times.
    pub fn deadline(&self, first: Instant, last: Instant) -> Instant {
        (last + self.after).min(first + self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_acts_once_it_has_been_quiet() {
        let debounce = Debounce::default();
        let first = Instant::now();
        assert_eq!(debounce.deadline(first, first), first + MS * 100);
        assert_eq!(debounce.deadline(first, first + MS * 90), first + MS * 190);
    }

    #[test]
    fn changes_without_end_are_acted_on_all_the_same() {
        let first = Instant::now();
        let last = first + MS * 9_990;
        let max = Debounce::default().max;
        assert_eq!(Debounce::default().deadline(first, last), first + max);
    }

    #[test]
    fn zero_acts_at_once() {
        let debounce = Debounce {
            after: Duration::ZERO,
            ..Debounce::default()
        };
        let first = Instant::now();
        assert_eq!(debounce.deadline(first, first), first);
    }
}
