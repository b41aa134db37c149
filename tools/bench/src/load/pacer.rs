//! When the requests of an open loop are due.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::failure::{Doing, Failure};

/// Goes off at fixed times, whatever became of what was due before.
pub(super) struct Pacer {
    timer: TimerFd,
    next: Instant,
    interval: Duration,
}

impl Pacer {
    /// So many times a second, told to `poll` as `token`.
    pub(super) fn start(per_second: u32, poll: &Poll, token: Token) -> Result<Self, Failure> {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).doing("a timer")?;
        poll.registry()
            .register(
                &mut SourceFd(&timer.as_fd().as_raw_fd()),
                token,
                Interest::READABLE,
            )
            .doing("epoll")?;
        // Waits by epoll alone end on whole milliseconds.
        let every = Expiration::Interval(TimeSpec::from_duration(interval));
        timer
            .set(every, TimerSetTimeFlags::empty())
            .doing("a timer")?;
        Ok(Pacer {
            timer,
            next: Instant::now() + interval,
            interval,
        })
    }

    /// The times that have come.
    pub(super) fn due(&mut self) -> impl Iterator<Item = Instant> {
        // Nothing to read: the timer has not gone off since.
        let _ = self.timer.wait();
        let now = Instant::now();
        std::iter::from_fn(move || {
            let due = self.next;
            (due <= now).then(|| {
                self.next += self.interval;
                due
            })
        })
    }
}
