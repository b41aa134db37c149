//! Retries.

use std::time::Duration;

use envoy_types::pb::envoy::config::route::v3::{
    RetryPolicy,
    retry_policy::{RetryBackOff, RetryHostPredicate},
};
use graph::policy::{Retry, RetryOn};

use super::matching::header_conditions;
use crate::place::{Compiled, Place, take};
use crate::value::{duration, duration_or, u32_or};

/// Envoy's default wait before the first retry (`RetryPolicy.retry_back_off`).
const BACKOFF: Duration = Duration::from_millis(25);
const OTHER_HOSTS: &str = "envoy.retry_host_predicates.previous_hosts";

/// Compiles a policy; `None` where nothing would be tried again.
pub(super) fn compile(place: &Place<'_>, given: &RetryPolicy) -> Compiled<Option<Retry>> {
    take!(place, given, RetryPolicy {
        retry_on, num_retries, per_try_timeout, retry_host_predicate, host_selection_retry_max_attempts,
        retriable_status_codes, retry_back_off, retriable_headers,
    } refuse { retriable_request_headers } note {
        per_try_idle_timeout, retry_priority, retry_options_predicates, rate_limited_retry_back_off, refresh_cluster_on_retry,
    } inert {});
    let mut on = RetryOn::default();
    for word in retry_on.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        match RetryOn::of(word) {
            Some(condition) => on = on.with(condition),
            None => place.warn(
                "retry_on",
                format!("`{word}` is not a condition and means nothing"),
            ),
        }
    }
    let mut avoid = false;
    for (index, predicate) in retry_host_predicate.iter().enumerate() {
        let place = place.item("retry_host_predicate", index);
        take!(place, predicate, RetryHostPredicate { name } refuse {} note {} inert { config_type });
        match name == OTHER_HOSTS {
            true => avoid = true,
            false => place.warn(
                "name",
                format!("`{name}` is not supported and has no effect; use {OTHER_HOSTS}"),
            ),
        }
    }
    let attempts = u32::try_from(*host_selection_retry_max_attempts).unwrap_or(0);
    // Envoy looks once at least where a predicate is there.
    let attempts = if attempts == 0 { 1 } else { attempts };
    let (backoff_base, backoff_max) = backoff(place, retry_back_off)?;
    let mut status_codes = Vec::with_capacity(retriable_status_codes.len());
    for code in retriable_status_codes {
        match u16::try_from(*code) {
            Ok(code @ 100..=999) => status_codes.push(code),
            _ => {
                return Err(place.refuse(
                    "retriable_status_codes",
                    format!("{code} is no status code"),
                ));
            }
        }
    }
    let retry = Retry {
        on,
        status_codes,
        response_headers: header_conditions(place, "retriable_headers", retriable_headers)?,
        retries: u32_or(num_retries, 1),
        per_try_timeout: duration(place, "per_try_timeout", per_try_timeout)?.unwrap_or_default(),
        avoid_tried_hosts: if avoid { attempts } else { 0 },
        backoff_base,
        backoff_max,
    };
    Ok((retry.on != RetryOn::default() && retry.retries > 0).then_some(retry))
}

fn backoff(place: &Place<'_>, given: &Option<RetryBackOff>) -> Compiled<(Duration, Duration)> {
    let Some(given) = given else {
        return Ok((BACKOFF, BACKOFF * 10));
    };
    let place = place.field("retry_back_off");
    take!(place, given, RetryBackOff { base_interval, max_interval } refuse {} note {} inert {});
    let base = duration_or(&place, "base_interval", base_interval, Duration::ZERO)?;
    if base.is_zero() {
        return Err(place.refuse("base_interval", "must be more than zero"));
    }
    // Timers here count milliseconds, as Envoy's.
    let base = base.max(Duration::from_millis(1));
    let most = duration_or(
        &place,
        "max_interval",
        max_interval,
        base.saturating_mul(10),
    )?;
    if most < base {
        return Err(place.refuse("max_interval", "must not be less than base_interval"));
    }
    Ok((base, most))
}
