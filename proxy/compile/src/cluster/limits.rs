//! Circuit breakers.

use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers,
    circuit_breakers::{Thresholds, thresholds::RetryBudget as Budget},
};
use envoy_types::pb::envoy::config::core::v3::RoutingPriority;
use graph::cluster::{Limits, RetryBudget};

use crate::place::{Compiled, Place, take};
use crate::value::{basis_points, u32_or};

/// Envoy's default of connections, waiting requests and requests (`CircuitBreakers.Thresholds`).
const DEFAULT: u32 = 1024;
/// Envoy's default of retries.
const RETRIES: u32 = 3;

const NONE_SET: Limits = Limits {
    connections: DEFAULT,
    pending: DEFAULT,
    requests: DEFAULT,
    retries: RETRIES,
    retry_budget: None,
};

pub(super) fn compile(place: &Place<'_>, given: &Option<CircuitBreakers>) -> Compiled<Limits> {
    let Some(given) = given else {
        return Ok(NONE_SET);
    };
    let inside = place.field("circuit_breakers");
    take!(inside, given, CircuitBreakers { thresholds } refuse {} note { per_host_thresholds } inert {});
    let mut limits = None;
    for (index, given) in thresholds.iter().enumerate() {
        let inside = inside.item("thresholds", index);
        take!(inside, given, Thresholds {
            priority, max_connections, max_pending_requests, max_requests, max_retries, retry_budget,
        } refuse {} note { max_connection_pools } inert { track_remaining });
        if *priority != RoutingPriority::Default as i32 {
            inside.warn("priority", "requests of high priority are not told apart; the default priority's thresholds hold");
            continue;
        }
        // The first one of a priority counts, as in Envoy.
        if limits.is_none() {
            limits = Some(Limits {
                connections: u32_or(max_connections, DEFAULT),
                pending: u32_or(max_pending_requests, DEFAULT),
                requests: u32_or(max_requests, DEFAULT),
                retries: u32_or(max_retries, RETRIES),
                retry_budget: budget(&inside, retry_budget)?,
            });
        }
    }
    Ok(limits.unwrap_or(NONE_SET))
}

fn budget(place: &Place<'_>, given: &Option<Budget>) -> Compiled<Option<RetryBudget>> {
    let Some(given) = given else { return Ok(None) };
    let inside = place.field("retry_budget");
    take!(inside, given, Budget { budget_percent, min_retry_concurrency } refuse {} note { budget_interval } inert {});
    Ok(Some(RetryBudget {
        basis_points: match budget_percent {
            Some(given) => basis_points(&inside, "budget_percent", given)?,
            None => 2000,
        },
        minimum: u32_or(min_retry_concurrency, 3),
    }))
}
