//! Retries and faults.

use std::sync::Arc;
use std::time::Duration;

use crate::route::HeaderCondition;

/// `RetryPolicy` compiled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retry {
    /// Which outcomes are tried again.
    pub on: RetryOn,
    /// Status codes of `retriable-status-codes`.
    pub status_codes: Vec<u16>,
    /// Headers of an answer for `retriable-headers`.
    pub response_headers: Vec<HeaderCondition>,
    /// Attempts after the first.
    pub retries: u32,
    /// A limit on each attempt; zero: none.
    pub per_try_timeout: Duration,
    /// Choose again, up to so many times, when a host that was tried already is drawn; 0: take it.
    pub avoid_tried_hosts: u32,
    /// Wait before the first retry (25 ms unless told), doubled each time up to `backoff_max`, with full jitter.
    pub backoff_base: Duration,
    /// Ten times the base unless told.
    pub backoff_max: Duration,
}

/// Conditions of `retry_on`, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn(pub u32);

impl RetryOn {
    /// `5xx`
    pub const SERVER_ERROR: RetryOn = RetryOn(1);
    /// `gateway-error`
    pub const GATEWAY_ERROR: RetryOn = RetryOn(1 << 1);
    /// `reset`
    pub const RESET: RetryOn = RetryOn(1 << 2);
    /// `reset-before-request`
    pub const RESET_BEFORE_REQUEST: RetryOn = RetryOn(1 << 3);
    /// `connect-failure`
    pub const CONNECT_FAILURE: RetryOn = RetryOn(1 << 4);
    /// `retriable-4xx`
    pub const RETRIABLE_4XX: RetryOn = RetryOn(1 << 5);
    /// `refused-stream`
    pub const REFUSED_STREAM: RetryOn = RetryOn(1 << 6);
    /// `retriable-status-codes`
    pub const STATUS_CODES: RetryOn = RetryOn(1 << 7);
    /// `retriable-headers`
    pub const HEADERS: RetryOn = RetryOn(1 << 8);
    /// `envoy-ratelimited`
    pub const RATELIMITED: RetryOn = RetryOn(1 << 9);
    /// `http3-post-connect-failure` is accepted and never happens here.
    pub const HTTP3: RetryOn = RetryOn(1 << 10);
    /// gRPC `cancelled`
    pub const CANCELLED: RetryOn = RetryOn(1 << 16);
    /// gRPC `deadline-exceeded`
    pub const DEADLINE_EXCEEDED: RetryOn = RetryOn(1 << 17);
    /// gRPC `internal`
    pub const INTERNAL: RetryOn = RetryOn(1 << 18);
    /// gRPC `resource-exhausted`
    pub const RESOURCE_EXHAUSTED: RetryOn = RetryOn(1 << 19);
    /// gRPC `unavailable`
    pub const UNAVAILABLE: RetryOn = RetryOn(1 << 20);

    /// Whether any condition of `other` is among these.
    #[must_use]
    pub fn has(self, other: RetryOn) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: RetryOn) -> RetryOn {
        RetryOn(self.0 | other.0)
    }

    /// The condition of a word in `retry_on`; unknown words are `None` and mean nothing, as in Envoy.
    #[must_use]
    pub fn of(word: &str) -> Option<RetryOn> {
        Some(match word {
            "5xx" => Self::SERVER_ERROR,
            "gateway-error" => Self::GATEWAY_ERROR,
            "reset" => Self::RESET,
            "reset-before-request" => Self::RESET_BEFORE_REQUEST,
            "connect-failure" => Self::CONNECT_FAILURE,
            "retriable-4xx" => Self::RETRIABLE_4XX,
            "refused-stream" => Self::REFUSED_STREAM,
            "retriable-status-codes" => Self::STATUS_CODES,
            "retriable-headers" => Self::HEADERS,
            "envoy-ratelimited" => Self::RATELIMITED,
            "http3-post-connect-failure" => Self::HTTP3,
            "cancelled" => Self::CANCELLED,
            "deadline-exceeded" => Self::DEADLINE_EXCEEDED,
            "internal" => Self::INTERNAL,
            "resource-exhausted" => Self::RESOURCE_EXHAUSTED,
            "unavailable" => Self::UNAVAILABLE,
            _ => return None,
        })
    }
}

/// Faults that a route injects (`HTTPFault`).
#[derive(Debug, Clone, Default)]
pub struct Fault {
    /// Wait so long in so many of a million requests.
    pub delay: Option<(Duration, u32)>,
    /// Answer so in so many of a million requests.
    pub abort: Option<(Abort, u32)>,
    /// Only requests with all of these.
    pub headers: Vec<HeaderCondition>,
}

/// The answer of an injected abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// This status.
    Http(u16),
    /// This `grpc-status`.
    Grpc(u32),
}

/// `CorsPolicy` compiled.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Origins that may.
    pub allow_origins: Vec<crate::text::TextMatcher>,
    /// `access-control-allow-methods`
    pub allow_methods: Arc<str>,
    /// `access-control-allow-headers`
    pub allow_headers: Arc<str>,
    /// `access-control-expose-headers`
    pub expose_headers: Arc<str>,
    /// `access-control-max-age`
    pub max_age: Arc<str>,
    /// `access-control-allow-credentials`
    pub allow_credentials: bool,
    /// Preflights whose origin is not allowed go on upstream.
    pub forward_not_matching_preflights: bool,
}
