//! The times of one request: plain instants that events move, looked at when the earliest of them may be over.

use std::time::{Duration, Instant};

/// What of a request took too long, or is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The wait before its next attempt, or before an injected fault, is over.
    Retry,
    /// Its route's time is over (`RouteAction.timeout`).
    Whole,
    /// The time of the attempt under way is over (`per_try_timeout`).
    Attempt,
    /// It has not come to its end (`request_timeout`).
    Request,
    /// It and its answer took too long, whatever passed (`max_stream_duration`).
    Longest,
    /// The attempt under way took too long, whatever passed (the cluster's `max_stream_duration`).
    LongestAttempt,
    /// Nothing has passed for too long (`stream_idle_timeout`).
    Idle,
}

/// The times of one request; `None`: not limited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// When something last passed, either way.
    pub(crate) moved: Instant,
    /// For how long nothing may; zero: for ever.
    pub(crate) idle: Duration,
    pub(crate) retry: Option<Instant>,
    pub(crate) whole: Option<Instant>,
    pub(crate) attempt: Option<Instant>,
    pub(crate) request: Option<Instant>,
    pub(crate) longest: Option<Instant>,
    pub(crate) longest_attempt: Option<Instant>,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Clock {
            moved: now,
            idle: Duration::ZERO,
            retry: None,
            whole: None,
            attempt: None,
            request: None,
            longest: None,
            longest_attempt: None,
        }
    }

    /// What is due next, and when.
    pub(crate) fn next(&self) -> Option<(Instant, Due)> {
        let idle = (!self.idle.is_zero()).then(|| self.moved + self.idle);
        [
            (self.retry, Due::Retry),
            (self.whole, Due::Whole),
            (self.attempt, Due::Attempt),
            (self.request, Due::Request),
            (self.longest, Due::Longest),
            (self.longest_attempt, Due::LongestAttempt),
            (idle, Due::Idle),
        ]
        .into_iter()
        .filter_map(|(at, due)| Some((at?, due)))
        .min_by_key(|(at, _)| *at)
    }

    /// What is due by `now`; it is not said again.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Due> {
        let (at, due) = self.next()?;
        if at > now {
            return None;
        }
        match due {
            Due::Retry => self.retry = None,
            Due::Whole => self.whole = None,
            Due::Attempt => self.attempt = None,
            Due::Request => self.request = None,
            Due::Longest => self.longest = None,
            Due::LongestAttempt => self.longest_attempt = None,
            Due::Idle => self.idle = Duration::ZERO,
        }
        Some(due)
    }
}

/// The instant a limit is over that begins at `from`; a limit of zero is none.
pub(crate) fn after(from: Instant, limit: Duration) -> Option<Instant> {
    (!limit.is_zero()).then(|| from + limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_puts_off_idleness_and_nothing_else() {
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut clock = Clock {
            idle: Duration::from_secs(3),
            whole: Some(second(10)),
            ..Clock::new(start)
        };
        assert_eq!(clock.next(), Some((second(3), Due::Idle)));
        clock.moved = second(2);
        assert_eq!(clock.take(second(4)), None);
        assert_eq!(clock.take(second(5)), Some(Due::Idle));
        assert_eq!(clock.next(), Some((second(10), Due::Whole)));
        assert_eq!(clock.take(second(10)), Some(Due::Whole));
        assert_eq!(clock.take(second(1000)), None);
    }
}
