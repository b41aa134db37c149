//! How long a request may take.

use std::time::Duration;

use graph::route::Forwarding;
use headers::{Headers, Known};

use crate::conditions::is_grpc;

/// Limits of one request. Zero: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// From the request's end to the answer's end, retries included.
    pub whole: Duration,
    /// Of each attempt.
    pub each: Duration,
}

/// The time that `grpc-timeout` gives: at most eight digits and a unit (gRPC over HTTP/2, "Timeout").
#[must_use]
pub fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = number(digits)?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// The limits of a request on this route. `trusted`: headers of Envoy from this client count.
#[must_use]
pub fn request_timeouts(forward: &Forwarding, request: &Headers, trusted: bool) -> Timeouts {
    let mut whole = match forward.max_grpc_timeout {
        Some(most) if is_grpc(request) => {
            let asked = request
                .get(Known::GrpcTimeout)
                .and_then(grpc_timeout)
                .map_or(Duration::ZERO, up_to_millis);
            if !most.is_zero() && (asked.is_zero() || asked > most) {
                most
            } else {
                asked
            }
        }
        _ => forward.timeout,
    };
    let mut each = forward
        .retry
        .as_ref()
        .map_or(Duration::ZERO, |retry| retry.per_try_timeout);
    if trusted {
        let millis = |value: Option<&[u8]>| value.and_then(number).map(Duration::from_millis);
        whole = millis(request.get(Known::XEnvoyUpstreamTimeout)).unwrap_or(whole);
        each = millis(request.get(Known::XEnvoyPerTryTimeout)).unwrap_or(each);
    }
    if !whole.is_zero() && each >= whole {
        each = Duration::ZERO;
    }
    Timeouts { whole, each }
}

/// How long a request and its answer may take in all, from the request's beginning; `None`: no limit. What
/// `grpc-timeout` asks for goes before the route's own limit and that before the manager's (zero: none), where the
/// route reads it; the request then says what was decided.
#[must_use]
pub fn longest(forward: &Forwarding, request: &mut Headers, manager: Duration) -> Option<Duration> {
    if let Some(most) = forward.grpc_timeout_header_max
        && let Some(asked) = request.get(Known::GrpcTimeout).and_then(grpc_timeout)
    {
        let asked = up_to_millis(asked);
        let longest = if most.is_zero() {
            asked
        } else {
            asked.min(most)
        };
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let (text, length) = in_grpc_units(millis);
        request.set(Known::GrpcTimeout, text.get(..length).unwrap_or_default());
        return Some(longest);
    }
    let limit = forward.max_stream_duration.unwrap_or(manager);
    (!limit.is_zero()).then_some(limit)
}

/// Tells the upstream what was decided: the request loses the headers that asked, and gets
/// `x-envoy-expected-rq-timeout-ms` (unless Envoy's headers are suppressed) and, where the route reads it,
/// `grpc-timeout`.
pub fn announce(request: &mut Headers, forward: &Forwarding, timeouts: Timeouts, suppress: bool) {
    request.remove(Known::XEnvoyUpstreamTimeout);
    request.remove(Known::XEnvoyPerTryTimeout);
    let expected = if timeouts.each.is_zero() {
        timeouts.whole
    } else {
        timeouts.each
    };
    let millis = u64::try_from(expected.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return;
    }
    if !suppress {
        let (text, length) = decimal(millis, b"");
        request.set(
            Known::XEnvoyExpectedTimeout,
            text.get(..length).unwrap_or_default(),
        );
    }
    if forward.max_grpc_timeout.is_some() && is_grpc(request) {
        let (text, length) = in_grpc_units(millis);
        request.set(Known::GrpcTimeout, text.get(..length).unwrap_or_default());
    }
}

/// Eight digits at most, in the finest unit that they suffice for.
fn in_grpc_units(millis: u64) -> ([u8; 24], usize) {
    const MOST: u64 = 99_999_999;
    let mut count = millis;
    for (unit, next) in [(b"m", 1000), (b"S", 60), (b"M", 60)] {
        if count <= MOST {
            return decimal(count, unit);
        }
        count /= next;
    }
    decimal(count.min(MOST), b"H")
}

fn decimal(count: u64, unit: &[u8]) -> ([u8; 24], usize) {
    let mut digits = itoa::Buffer::new();
    let mut text = [0u8; 24];
    // Twenty digits and a unit fit.
    let all = digits.format(count).as_bytes().iter().chain(unit);
    let length = text
        .iter_mut()
        .zip(all)
        .map(|(place, byte)| *place = *byte)
        .count();
    (text, length)
}

fn up_to_millis(time: Duration) -> Duration {
    let millis = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
