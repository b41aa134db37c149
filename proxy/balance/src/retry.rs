//! Whether a failed attempt is made again.

use std::time::Duration;

use graph::policy::{Retry, RetryOn};
use headers::{Headers, Known};

use crate::backoff::backoff;

/// How an attempt ended, as far as retries care.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The answer's headers came.
    Status {
        /// Its status.
        code: u16,
        /// Its fields; `grpc-status` is read here, too, for answers without body.
        headers: &'a Headers,
    },
    /// No answer came.
    Reset(ResetKind),
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetKind {
    /// No connection could be made, in time or at all.
    ConnectFailure,
    /// The upstream said that it did not look at the request (REFUSED_STREAM, or a stream above GOAWAY's last).
    Refused,
    /// The connection ended or the stream was reset, before any of the request was sent.
    BeforeRequest,
    /// The connection ended or the stream was reset after that.
    Remote,
    /// The attempt's own time limit (`per_try_timeout`) was over.
    PerTryTimeout,
    /// A limit of the cluster was reached: never tried again.
    Overflow,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Tried again.
    Retry {
        /// After so long.
        after: Duration,
    },
    /// The outcome stands.
    NotRetriable,
    /// The outcome stands although it is one to try again: it was, often enough (flag `URX`).
    LimitReached,
}

/// The conditions of one request: the route's, and what a trusted client adds by headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    on: RetryOn,
    retries: u32,
    status_codes: Vec<u16>,
}

impl Asked {
    /// What `x-envoy-retry-on`, `x-envoy-retry-grpc-on`, `x-envoy-max-retries` and `x-envoy-retriable-status-codes`
    /// make of a route's policy. The headers are removed; those of a client that is not `trusted` mean nothing.
    pub fn take(policy: &Retry, request: &mut Headers, trusted: bool) -> Self {
        let mut asked = Asked {
            on: policy.on,
            retries: policy.retries,
            status_codes: Vec::new(),
        };
        if trusted {
            asked.read(request);
        }
        request.remove(Known::XEnvoyRetryOn);
        request.remove(Known::XEnvoyRetryGrpcOn);
        request.remove(Known::XEnvoyMaxRetries);
        request.remove(Known::XEnvoyRetriableStatusCodes);
        asked
    }

    /// Whether anything is tried again at all, so that the request must be kept.
    #[must_use]
    pub fn retries(&self) -> bool {
        self.on != RetryOn::default() && self.retries > 0
    }

    fn read(&mut self, request: &Headers) {
        for known in [Known::XEnvoyRetryOn, Known::XEnvoyRetryGrpcOn] {
            for word in words(request.get(known)) {
                let grpc = |on: RetryOn| on.0 >= RetryOn::CANCELLED.0;
                if let Some(on) = RetryOn::of(word)
                    && grpc(on) == (known == Known::XEnvoyRetryGrpcOn)
                {
                    self.on = self.on.with(on);
                }
            }
        }
        if let Some(most) = words(request.get(Known::XEnvoyMaxRetries)).next()
            && let Ok(most) = most.parse()
        {
            self.retries = most;
        }
        let codes = words(request.get(Known::XEnvoyRetriableStatusCodes));
        self.status_codes
            .extend(codes.filter_map(|c| c.parse::<u16>().ok()));
    }
}

fn words(value: Option<&[u8]>) -> impl Iterator<Item = &str> {
    std::str::from_utf8(value.unwrap_or_default())
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|w| !w.is_empty())
}

/// Whether an attempt that ended so is made again. `done` retries have been made.
#[must_use]
pub fn decide(
    policy: &Retry,
    asked: &Asked,
    outcome: &Outcome<'_>,
    done: u32,
    random: u64,
) -> Verdict {
    let retriable = match outcome {
        Outcome::Status { code, headers } => answer_is(policy, asked, *code, headers),
        Outcome::Reset(kind) => reset_is(asked.on, *kind),
    };
    if !retriable {
        Verdict::NotRetriable
    } else if done >= asked.retries {
        Verdict::LimitReached
    } else {
        Verdict::Retry {
            after: backoff(policy, done, random),
        }
    }
}

fn answer_is(policy: &Retry, asked: &Asked, code: u16, headers: &Headers) -> bool {
    let on = asked.on;
    if headers.has(Known::XEnvoyRatelimited) {
        return on.has(RetryOn::RATELIMITED);
    }
    let by_status = (on.has(RetryOn::SERVER_ERROR) && (500..600).contains(&code))
        || (on.has(RetryOn::GATEWAY_ERROR) && (502..=504).contains(&code))
        || (on.has(RetryOn::RETRIABLE_4XX) && code == 409)
        || (on.has(RetryOn::STATUS_CODES)
            && (policy.status_codes.contains(&code) || asked.status_codes.contains(&code)));
    by_status
        || (on.has(RetryOn::HEADERS)
            && policy
                .response_headers
                .iter()
                .any(|c| routing::header_holds(c, headers)))
        || headers
            .get(Known::GrpcStatus)
            .and_then(grpc_condition)
            .is_some_and(|condition| on.has(condition))
}

fn grpc_condition(status: &[u8]) -> Option<RetryOn> {
    Some(match status {
        b"1" => RetryOn::CANCELLED,
        b"4" => RetryOn::DEADLINE_EXCEEDED,
        b"8" => RetryOn::RESOURCE_EXHAUSTED,
        b"13" => RetryOn::INTERNAL,
        b"14" => RetryOn::UNAVAILABLE,
        _ => return None,
    })
}

/// `5xx` and `gateway-error` mean every reset, because it would become a 503 or 504.
fn reset_is(on: RetryOn, kind: ResetKind) -> bool {
    let any = RetryOn::SERVER_ERROR
        .with(RetryOn::GATEWAY_ERROR)
        .with(RetryOn::RESET);
    match kind {
        ResetKind::Overflow => false,
        ResetKind::ConnectFailure => on.has(
            any.with(RetryOn::CONNECT_FAILURE)
                .with(RetryOn::RESET_BEFORE_REQUEST),
        ),
        ResetKind::BeforeRequest => on.has(any.with(RetryOn::RESET_BEFORE_REQUEST)),
        ResetKind::Refused => on.has(any.with(RetryOn::REFUSED_STREAM)),
        ResetKind::Remote | ResetKind::PerTryTimeout => on.has(any),
    }
}
