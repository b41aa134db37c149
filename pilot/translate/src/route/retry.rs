//! Retries.

use envoy_types::pb::envoy::config::route::v3::{
    RetryPolicy,
    retry_policy::{RetryBackOff, RetryHostPredicate, retry_host_predicate::ConfigType},
};
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use resources::istio::virtual_service::HttpRetry;

use crate::wire::{any, duration, some_time, u32_value};

/// With an empty list of status codes, so that no code is retried unless a route says which.
const RETRY_ON: &str =
    "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/// The policy where nobody said anything: two retries, elsewhere if possible. A consistent hash
/// always leads to the same place, so there is no elsewhere then.
pub(super) fn default(elsewhere: bool) -> RetryPolicy {
    RetryPolicy {
        retry_on: RETRY_ON.to_owned(),
        num_retries: u32_value(2),
        host_selection_retry_max_attempts: 5,
        retry_host_predicate: if elsewhere {
            vec![other_hosts()]
        } else {
            Vec::new()
        },
        ..Default::default()
    }
}

fn other_hosts() -> RetryHostPredicate {
    RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&PreviousHostsPredicate {}))),
    }
}

/// Towards the own workload: only what it surely has not seen.
pub(super) fn inbound() -> RetryPolicy {
    RetryPolicy {
        retry_on: "reset-before-request".to_owned(),
        num_retries: u32_value(2),
        ..Default::default()
    }
}

/// The policy that a route asks for; none for zero attempts.
pub(super) fn asked(retries: Option<&HttpRetry>, elsewhere: bool) -> Option<RetryPolicy> {
    let Some(retries) = retries else {
        return Some(default(elsewhere));
    };
    let attempts = u32::try_from(retries.attempts).ok().filter(|n| *n > 0)?;
    let mut policy = default(elsewhere && retries.retry_ignore_previous_hosts != Some(false));
    policy.num_retries = u32_value(attempts);
    if !retries.retry_on.is_empty() {
        let (codes, mut conditions): (Vec<&str>, Vec<&str>) = retries
            .retry_on
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .partition(|part| part.parse::<u32>().is_ok());
        policy.retriable_status_codes = codes
            .iter()
            .filter_map(|c| c.parse().ok())
            .filter(|c| (100..600).contains(c))
            .collect();
        if !policy.retriable_status_codes.is_empty()
            && !conditions.contains(&"retriable-status-codes")
        {
            conditions.push("retriable-status-codes");
        }
        policy.retry_on = conditions.join(",");
    }
    policy.per_try_timeout = some_time(retries.per_try_timeout);
    policy.retry_back_off =
        retries
            .backoff
            .filter(|d| d.0.as_millis() >= 1)
            .map(|d| RetryBackOff {
                base_interval: duration(d.0),
                max_interval: None,
            });
    Some(policy)
}
