//! Attempts that failed, and whether there is another one.

use std::time::Duration;

use accesslog::Flags;
use balance::{Outcome as Attempt, Recorded, ResetKind, Verdict, decide};
use graph::route::Action;
use headers::Known;
use stats::ClusterStat;

use super::dispatch::Failure;
use super::{Todo, Worker};
use crate::stream::{Queue, Stage, Stream, StreamKey};

/// How often a request is moved on: endpoints that all go away must not keep it for ever.
const MOST_MOVES: u8 = 8;

impl Worker {
    /// An attempt failed before its answer was over: again, or an answer that says so.
    pub(super) fn attempt_failed(&mut self, key: StreamKey, failure: Failure) {
        let Some(s) = self.stream(key) else { return };
        match s.stage {
            Stage::Local => return,
            Stage::Answering => {
                if s.to_down.end {
                    // The answer is whole already; only its connection went.
                    return;
                }
                let (flags, reason) = failure.flags();
                s.flags |= flags;
                s.details = format!("upstream_reset_after_response_started{{{reason}}}").into();
                return self.break_answer(key);
            }
            Stage::Waiting | Stage::Sent => {}
        }
        if let Some(id) = s.cluster.as_ref().map(|c| c.id) {
            match failure {
                Failure::PerTryTimeout => {
                    self.count_cluster(id, ClusterStat::UpstreamRqPerTryTimeout)
                }
                Failure::RemoteReset | Failure::Refused => {
                    self.count_cluster(id, ClusterStat::UpstreamRqRxReset)
                }
                Failure::Connect | Failure::Terminated | Failure::Protocol => {}
            }
        }
        self.record(key, failure.recorded());
        if self.retry_after_failure(key, failure) {
            return;
        }
        let Some(s) = self.stream(key) else { return };
        let (flags, reason) = failure.flags();
        if failure == Failure::PerTryTimeout {
            return self.reply(
                key,
                504,
                b"upstream request timeout",
                flags,
                "upstream_per_try_timeout",
            );
        }
        let again = match s.attempts {
            0 | 1 => "",
            _ => "retried and the latest ",
        };
        let body = format!(
            "upstream connect error or disconnect/reset before headers. {again}reset reason: {}",
            reason.replace('_', " ")
        );
        let details = match (failure, s.failure.is_empty()) {
            (Failure::Connect, false) => format!(
                "upstream_reset_before_response_started{{{reason}|{}}}",
                s.failure.replace(' ', "_")
            ),
            _ => format!("upstream_reset_before_response_started{{{reason}}}"),
        };
        let status = match failure {
            Failure::Protocol => 502,
            _ => 503,
        };
        self.reply(key, status, body.as_bytes(), flags, details);
    }

    /// Whether an answer is one that the route tries again, and it is tried.
    pub(super) fn retry_after_answer(&mut self, key: StreamKey) -> bool {
        let Some(s) = self.stream(key) else {
            return false;
        };
        // The answer of a gRPC call without body has its status among its headers.
        let grpc = s
            .response
            .get(Known::GrpcStatus)
            .and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        let status = grpc.map_or(s.status, routing::grpc::status_to_http);
        self.record(key, Recorded::Status(status));
        let Some(s) = self.stream(key) else {
            return false;
        };
        let Some(wait) = wait_before_retry(s, None) else {
            return false;
        };
        self.again(key, wait)
    }

    fn retry_after_failure(&mut self, key: StreamKey, failure: Failure) -> bool {
        let Some(s) = self.stream(key) else {
            return false;
        };
        let kind = failure.kind(s.sent_at.is_some());
        let Some(wait) = wait_before_retry(s, Some(kind)) else {
            return false;
        };
        self.again(key, wait)
    }

    /// Queues the next attempt. Whether there will be one.
    fn again(&mut self, key: StreamKey, wait: Duration) -> bool {
        let (now, thread) = (self.now, self.thread);
        let Some(s) = self.stream(key) else {
            return false;
        };
        let (Some(cluster), Some(replay)) = (s.cluster.clone(), s.replay.clone()) else {
            return false;
        };
        let limits = cluster.settings.limits;
        let Some(state) = self.cluster(cluster.id) else {
            return false;
        };
        if !balance::retry_allowed(&limits, state.retries, state.requests, state.pending) {
            let stats = state.metrics.of(thread);
            stats
                .counter(ClusterStat::UpstreamRqRetryOverflow)
                .increment();
            if let Some(s) = self.stream(key) {
                s.flags |= Flags::UPSTREAM_OVERFLOW;
            }
            return false;
        }
        state.retries += 1;
        let stats = state.metrics.of(thread);
        stats.counter(ClusterStat::UpstreamRqRetry).increment();
        self.restart(key, replay.into());
        let Some(s) = self.stream(key) else {
            return false;
        };
        s.retrying = true;
        s.clock.retry = Some(now + wait);
        self.watch(key);
        true
    }

    /// Sends a request somewhere else that its endpoint went away from without looking at it (RFC 9113, 6.8): no attempt
    /// of its policy, since nothing was attempted. Whether it can be.
    pub(super) fn move_on(&mut self, key: StreamKey) -> bool {
        let Some(s) = self.stream(key) else {
            return false;
        };
        if s.stage != Stage::Sent || s.is_split || s.down_gone || s.moves >= MOST_MOVES {
            return false;
        }
        let whole = match &s.replay {
            Some(replay) => replay.clone().into(),
            None => std::mem::take(&mut s.to_up.bytes),
        };
        s.moves += 1;
        s.attempts = s.attempts.saturating_sub(1);
        s.tried.pop();
        self.restart(key, whole);
        self.todo.push_back(Todo::Dispatch(key));
        true
    }

    /// Goes back to where no attempt is under way.
    fn restart(&mut self, key: StreamKey, body: Queue) {
        self.abandon_up(key);
        let Some(s) = self.stream(key) else { return };
        s.stage = Stage::Waiting;
        s.to_up.bytes = body;
        s.to_up.done = false;
        // Kept here in any case: the client need not wait for the next attempt.
        let (down, down_place, owed) = (s.down, s.down_place, std::mem::take(&mut s.owed_down));
        s.to_down.clear();
        s.has_trailers = false;
        s.response.clear();
        s.sent_at = None;
        s.clock.attempt = None;
        s.clock.longest_attempt = None;
        self.release_on(down, down_place, owed);
    }
}

impl Failure {
    /// Flags of the log line and the reason in Envoy's words.
    pub(crate) fn flags(self) -> (Flags, &'static str) {
        match self {
            Failure::Connect => (
                Flags::UPSTREAM_CONNECTION_FAILURE,
                "remote_connection_failure",
            ),
            Failure::Refused => (Flags::UPSTREAM_REMOTE_RESET, "remote_refused_stream_reset"),
            Failure::RemoteReset => (Flags::UPSTREAM_REMOTE_RESET, "remote_reset"),
            Failure::Terminated => (
                Flags::UPSTREAM_CONNECTION_TERMINATION,
                "connection_termination",
            ),
            Failure::Protocol => (Flags::UPSTREAM_PROTOCOL_ERROR, "protocol_error"),
            Failure::PerTryTimeout => (Flags::UPSTREAM_REQUEST_TIMEOUT, "per_try_timeout"),
        }
    }

    /// What ejection sees.
    fn recorded(self) -> Recorded {
        match self {
            Failure::PerTryTimeout => Recorded::TimedOut,
            _ => Recorded::ConnectFailed,
        }
    }

    /// What a retry policy sees. `sent`: the request was on its connection.
    fn kind(self, sent: bool) -> ResetKind {
        match self {
            Failure::Connect => ResetKind::ConnectFailure,
            Failure::Refused => ResetKind::Refused,
            Failure::PerTryTimeout => ResetKind::PerTryTimeout,
            Failure::RemoteReset | Failure::Terminated | Failure::Protocol if sent => {
                ResetKind::Remote
            }
            Failure::RemoteReset | Failure::Terminated | Failure::Protocol => {
                ResetKind::BeforeRequest
            }
        }
    }
}

/// How long to wait before the next attempt; `None`: there is none. `reset`: why no answer came; else one did.
fn wait_before_retry(s: &mut Stream, reset: Option<ResetKind>) -> Option<Duration> {
    let Some(Action::Forward(forward)) = s.route.as_ref().map(|r| &r.action) else {
        return None;
    };
    let policy = forward.how.retry.clone()?;
    if s.replay.is_none() || s.down_gone {
        return None;
    }
    let done = s.attempts.saturating_sub(1);
    let random = s.random.rotate_left(s.attempts);
    let attempt = match reset {
        Some(kind) => Attempt::Reset(kind),
        None => Attempt::Status {
            code: s.status,
            headers: &s.response,
        },
    };
    match decide(&policy, &s.asked, &attempt, done, random) {
        Verdict::Retry { after } => Some(after),
        Verdict::NotRetriable => None,
        Verdict::LimitReached => {
            s.flags |= Flags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
            None
        }
    }
}
