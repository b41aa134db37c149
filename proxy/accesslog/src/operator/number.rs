//! Numbers: codes, bytes, durations.

use std::time::Duration;

use crate::Entry;

/// Which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    ResponseCode,
    BytesReceived,
    BytesSent,
    Duration,
    RequestDuration,
    RequestSentDuration,
    ResponseDuration,
    /// From the answer's first byte of the endpoint to its last byte to the client.
    ResponseSentDuration,
    PoolReadyDuration,
    Between {
        from: Point,
        to: Point,
        unit: Unit,
    },
    ConnectionId,
    UpstreamConnectionId,
    UpstreamAttempts,
    DownstreamWireReceived,
    DownstreamWireSent,
    UpstreamWireReceived,
    UpstreamWireSent,
    RequestHeaderBytes,
    ResponseHeaderBytes,
    TrailerBytes,
}

/// A point in the life of a request (`COMMON_DURATION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Start,
    RequestReceived,
    RequestSent,
    ResponseBegun,
    ResponseReceived,
    ResponseSent,
    /// A point of Envoy's that is not kept here.
    Unknown,
}

/// What a duration is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Point {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "DS_RX_BEG" => Point::Start,
            "DS_RX_END" => Point::RequestReceived,
            "US_TX_END" => Point::RequestSent,
            "US_RX_BEG" => Point::ResponseBegun,
            "US_RX_END" => Point::ResponseReceived,
            "DS_TX_END" => Point::ResponseSent,
            _ => Point::Unknown,
        }
    }

    fn read(self, entry: &Entry<'_>) -> Option<Duration> {
        match self {
            Point::Start => Some(Duration::ZERO),
            Point::RequestReceived => entry.request_duration,
            Point::RequestSent => entry.request_sent_duration,
            Point::ResponseBegun => entry.response_duration,
            Point::ResponseReceived => entry.response_received_duration,
            Point::ResponseSent => entry.response_sent_duration,
            Point::Unknown => None,
        }
    }
}

impl Unit {
    fn count(self, duration: Duration) -> u64 {
        match self {
            Unit::Milliseconds => duration.as_millis() as u64,
            Unit::Microseconds => duration.as_micros() as u64,
            Unit::Nanoseconds => duration.as_nanos() as u64,
        }
    }
}

impl Number {
    #[inline]
    pub(crate) fn read(self, entry: &Entry<'_>) -> Option<u64> {
        let ms = |duration| Unit::Milliseconds.count(duration);
        match self {
            Number::ResponseCode => Some(u64::from(entry.response_code)),
            Number::BytesReceived => Some(entry.bytes_received),
            Number::BytesSent => Some(entry.bytes_sent),
            Number::Duration => Some(ms(entry.duration)),
            Number::RequestDuration => entry.request_duration.map(ms),
            Number::RequestSentDuration => entry.request_sent_duration.map(ms),
            Number::ResponseDuration => entry.response_duration.map(ms),
            Number::ResponseSentDuration => {
                let begun = entry.response_duration?;
                Some(ms(entry.response_sent_duration?.checked_sub(begun)?))
            }
            Number::PoolReadyDuration => entry.upstream.pool_ready_duration.map(ms),
            Number::Between { from, to, unit } => {
                let from = from.read(entry)?;
                Some(unit.count(to.read(entry)?.checked_sub(from)?))
            }
            Number::ConnectionId => Some(entry.downstream.connection_id),
            Number::UpstreamConnectionId => Some(entry.upstream.connection_id.unwrap_or(0)),
            Number::UpstreamAttempts => Some(u64::from(entry.upstream.attempts)),
            Number::DownstreamWireReceived => Some(entry.downstream.wire_bytes_received),
            Number::DownstreamWireSent => Some(entry.downstream.wire_bytes_sent),
            Number::UpstreamWireReceived => Some(entry.upstream.wire_bytes_received),
            Number::UpstreamWireSent => Some(entry.upstream.wire_bytes_sent),
            Number::RequestHeaderBytes => Some(bytes(entry.request)),
            Number::ResponseHeaderBytes => Some(bytes(entry.response)),
            Number::TrailerBytes => Some(bytes(entry.trailers)),
        }
    }
}

/// Bytes of names and values.
fn bytes(fields: Option<&headers::Headers>) -> u64 {
    fields.map_or(0, |fields| {
        fields.size().saturating_sub(32 * fields.len()) as u64
    })
}
