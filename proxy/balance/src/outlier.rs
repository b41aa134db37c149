//! Passive ejection: hosts that keep failing are left alone for a while (`OutlierDetection`).

use std::time::Duration;

use graph::cluster::Outlier as Settings;

/// What came of one request or connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status (`grpc-status` of an answer without body as the HTTP status that it maps to).
    Status(u16),
    /// A connection was made.
    Connected,
    /// None could be made, or it ended before the answer came.
    ConnectFailed,
    /// A time limit was over.
    TimedOut,
}

/// A host to leave alone, or to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its place.
    pub host: usize,
    /// Whether it is left alone from now on.
    pub ejected: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Monitor {
    server_errors: u32,
    gateway_errors: u32,
    local_failures: u32,
    /// When it was ejected, while it is.
    since: Option<Duration>,
    /// Ejections in short succession: the time out grows with them.
    times: u32,
}

/// Counts of one cluster's hosts, for one worker.
#[derive(Debug)]
pub struct Outlier {
    settings: Settings,
    hosts: Vec<Monitor>,
    /// When [`Outlier::tick`] last looked.
    last_tick: Duration,
}

impl Outlier {
    /// Watches so many hosts, none of them ejected.
    #[must_use]
    pub fn new(settings: Settings, hosts: usize, now: Duration) -> Self {
        Outlier {
            settings,
            hosts: vec![Monitor::default(); hosts],
            last_tick: now,
        }
    }

    /// Takes over a new list of hosts: `moved` has for each place the one that the host had.
    pub fn update(&mut self, settings: Settings, moved: &[Option<usize>]) {
        self.settings = settings;
        let of = |was: &Option<usize>| was.and_then(|at| self.hosts.get(at)).copied();
        self.hosts = moved
            .iter()
            .map(|was| of(was).unwrap_or_default())
            .collect();
    }

    /// How many hosts are left alone.
    #[must_use]
    pub fn ejected(&self) -> usize {
        self.hosts.iter().filter(|h| h.since.is_some()).count()
    }

    /// Whether a host is left alone.
    #[must_use]
    pub fn is_ejected(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|h| h.since.is_some())
    }

    /// Counts an outcome; the change that it brings.
    pub fn record(&mut self, host: usize, outcome: Outcome, now: Duration) -> Option<Change> {
        let settings = self.settings;
        let monitor = self.hosts.get_mut(host)?;
        let reached = if settings.split_local_origin {
            match outcome {
                Outcome::Status(code) => monitor.answered(code, &settings),
                Outcome::Connected => {
                    monitor.local_failures = 0;
                    false
                }
                Outcome::ConnectFailed | Outcome::TimedOut => hit(
                    &mut monitor.local_failures,
                    settings.consecutive_local_origin,
                ),
            }
        } else {
            match outcome {
                Outcome::Status(code) => monitor.answered(code, &settings),
                Outcome::Connected => false,
                Outcome::ConnectFailed => monitor.answered(503, &settings),
                Outcome::TimedOut => monitor.answered(504, &settings),
            }
        };
        if !reached {
            return None;
        }
        self.eject(host, now)
    }

    /// With this one no more than the configured share is out: of few hosts that can mean none.
    fn eject(&mut self, host: usize, now: Duration) -> Option<Change> {
        let after = 100 * (self.ejected() as u64 + 1);
        if after > u64::from(self.settings.max_ejection_percent) * self.hosts.len() as u64 {
            return None;
        }
        let settings = self.settings;
        let monitor = self.hosts.get_mut(host).filter(|m| m.since.is_none())?;
        monitor.since = Some(now);
        if settings.base_ejection.saturating_mul(monitor.times) < settings.longest() {
            monitor.times += 1;
        }
        Some(Change {
            host,
            ejected: true,
        })
    }

    /// Takes back hosts whose time is over, once in an interval; when to call again is [`Outlier::next_tick`].
    pub fn tick(&mut self, now: Duration, mut change: impl FnMut(Change)) {
        if now < self.next_tick() {
            return;
        }
        self.last_tick = now;
        let settings = self.settings;
        for (host, monitor) in self.hosts.iter_mut().enumerate() {
            let Some(since) = monitor.since else {
                // A whole interval without ejection.
                monitor.times = monitor.times.saturating_sub(1);
                continue;
            };
            let time = settings
                .base_ejection
                .saturating_mul(monitor.times)
                .min(settings.longest());
            if now.saturating_sub(since) >= time {
                *monitor = Monitor {
                    times: monitor.times,
                    ..Monitor::default()
                };
                change(Change {
                    host,
                    ejected: false,
                });
            }
        }
    }

    /// When [`Outlier::tick`] has something to do next.
    #[must_use]
    pub fn next_tick(&self) -> Duration {
        self.last_tick.saturating_add(self.settings.interval)
    }
}

impl Monitor {
    fn answered(&mut self, code: u16, settings: &Settings) -> bool {
        if !(500..600).contains(&code) {
            self.server_errors = 0;
            self.gateway_errors = 0;
            return false;
        }
        let gateway = if (502..=504).contains(&code) {
            hit(&mut self.gateway_errors, settings.consecutive_gateway)
        } else {
            self.gateway_errors = 0;
            false
        };
        hit(&mut self.server_errors, settings.consecutive_5xx) || gateway
    }
}

/// Counts one more; whether the bound is reached. Then counting begins anew.
fn hit(count: &mut u32, bound: Option<u32>) -> bool {
    *count = count.saturating_add(1);
    let reached = bound.is_some_and(|bound| *count >= bound);
    if reached {
        *count = 0;
    }
    reached
}

trait Longest {
    fn longest(&self) -> Duration;
}

impl Longest for Settings {
    /// The longest ejection; never shorter than the first.
    fn longest(&self) -> Duration {
        self.max_ejection.max(self.base_ejection)
    }
}
