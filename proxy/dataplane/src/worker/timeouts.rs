//! Times of requests: when they begin, and what is done when they are over.
//!
//! Each request has a [`Clock`] of plain instants and its slot one entry in the worker's deadlines: what passes only
//! moves instants, and the entry looks again when it comes up.

use std::time::Duration;

use accesslog::Flags;
use balance::Recorded;
use graph::route::Forwarding;
use stats::{ClusterStat, HttpStat};

use super::Worker;
use super::dispatch::Failure;
use crate::stream::clock::{Due, after};
use crate::stream::{Stage, Stream, StreamKey, live};

/// `DEADLINE_EXCEEDED`
const DEADLINE_EXCEEDED: u32 = 4;

impl Worker {
    /// Sees to it that a request is looked at when the first of its times is over.
    pub(super) fn watch(&mut self, key: StreamKey) {
        if let Some(s) = live(&mut self.streams, key)
            && let Some((at, _)) = s.clock.next()
        {
            self.due_streams.by(key.slot as usize, at);
        }
    }

    /// Something of the request in this slot may be due.
    pub(super) fn look_at_stream(&mut self, slot: usize) {
        let Some(s) = self.streams.get(slot).filter(|s| s.live) else {
            return;
        };
        let key = StreamKey {
            // It is a slot of a request, which are counted in u32.
            slot: slot as u32,
            generation: s.generation,
        };
        let now = self.now;
        while let Some(due) = self.stream(key).and_then(|s| s.clock.take(now)) {
            self.on_due(key, due);
        }
        self.watch(key);
    }

    fn on_due(&mut self, key: StreamKey, due: Due) {
        match due {
            Due::Retry => match self.stream(key).and_then(|s| s.aborts.take()) {
                Some(abort) => self.abort(key, abort, Duration::ZERO),
                None => self.dispatch(key),
            },
            Due::Attempt => {
                if self.stream(key).is_some_and(|s| s.stage == Stage::Sent) {
                    self.attempt_failed(key, Failure::PerTryTimeout);
                }
            }
            Due::Whole => {
                if self.stream(key).is_some_and(|s| s.stage != Stage::Local) {
                    self.count_at_cluster(key, ClusterStat::UpstreamRqTimeout);
                    if self.stream(key).is_some_and(|s| s.stage == Stage::Sent) {
                        self.record(key, Recorded::TimedOut);
                    }
                    let body = b"upstream request timeout";
                    let flags = Flags::UPSTREAM_REQUEST_TIMEOUT;
                    self.cut(key, 504, body, flags, "response_timeout");
                }
            }
            Due::Request => {
                self.count_at_manager(key, HttpStat::DownstreamRqTimeout);
                let details = "request_overall_timeout";
                self.cut(key, 408, b"request timeout", Flags::NONE, details);
            }
            Due::Longest => {
                self.count_at_manager(key, HttpStat::DownstreamRqMaxDurationReached);
                let Some(s) = self.stream(key) else { return };
                s.grpc_status = Some(DEADLINE_EXCEEDED);
                let status = late_status(s);
                let body = b"downstream duration timeout";
                self.cut(key, status, body, Flags::NONE, "max_duration_timeout");
            }
            Due::LongestAttempt => {
                let Some(s) = self.stream(key) else { return };
                if s.stage == Stage::Local {
                    return;
                }
                let status = late_status(s);
                self.count_at_cluster(key, ClusterStat::UpstreamRqMaxDurationReached);
                let flags = Flags::UPSTREAM_MAX_STREAM_DURATION_REACHED;
                let body = b"upstream max stream duration reached";
                let details = "upstream_max_stream_duration_reached";
                self.cut(key, status, body, flags, details);
            }
            Due::Idle => {
                self.count_at_manager(key, HttpStat::DownstreamRqIdleTimeout);
                let Some(s) = self.stream(key) else { return };
                let status = late_status(s);
                let (body, flags) = (b"stream timeout", Flags::STREAM_IDLE_TIMEOUT);
                self.cut(key, status, body, flags, "stream_idle_timeout");
            }
        }
    }

    fn count_at_manager(&mut self, key: StreamKey, member: HttpStat) {
        let thread = self.thread;
        if let Some(http) = self.stream(key).and_then(|s| s.facts.http.as_ref()) {
            http.of(thread).counter(member).increment();
        }
    }

    fn count_at_cluster(&mut self, key: StreamKey, member: ClusterStat) {
        let id = self
            .stream(key)
            .and_then(|s| s.cluster.as_ref().map(|c| c.id));
        if let Some(id) = id {
            self.count_cluster(id, member);
        }
    }

    /// Ends a request: with an answer or, where one has begun, with the end of its stream or connection.
    fn cut(
        &mut self,
        key: StreamKey,
        status: u16,
        body: &[u8],
        flags: Flags,
        details: &'static str,
    ) {
        let Some(s) = self.stream(key) else { return };
        if s.is_copy {
            self.finish(key);
        } else if s.head_sent {
            s.flags |= flags;
            s.details = details.into();
            self.break_answer(key);
        } else {
            self.reply(key, status, body, flags, details);
        }
    }

    /// A request has come to its end: times that count from there begin.
    pub(super) fn request_ended(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(s) = self.stream(key) else { return };
        s.clock.request = None;
        if s.stage == Stage::Local {
            return;
        }
        // An injected delay is not the route's time: before the first attempt nothing else waits.
        let held = s.clock.retry.filter(|_| s.attempts == 0);
        s.clock.whole = after(held.unwrap_or(now), s.timeouts.whole);
        if s.stage == Stage::Sent {
            s.clock.attempt = after(now, s.timeouts.each);
        }
        if s.clock.whole.is_some() || s.clock.attempt.is_some() {
            self.watch(key);
        }
    }
}

impl Stream {
    /// The route's times replace the manager's.
    pub(super) fn times_of(&mut self, how: &Forwarding) {
        if let Some(idle) = how.idle_timeout {
            self.clock.idle = idle;
        }
        let manager = self.manager.max_stream_duration;
        let longest = routing::timeout::longest(how, &mut self.request, manager);
        self.clock.longest = longest.map(|longest| self.started + longest);
    }
}

/// Whose fault it is that a request takes too long: the client's until the request is whole.
fn late_status(s: &Stream) -> u16 {
    if s.to_up.end { 504 } else { 408 }
}
