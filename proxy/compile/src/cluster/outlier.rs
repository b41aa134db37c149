//! Passive ejection of hosts.

use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::OutlierDetection;
use envoy_types::pb::google::protobuf::UInt32Value;
use graph::cluster::Outlier;

use crate::place::{Compiled, Place, take};
use crate::value::{duration_or, u32_or};

/// Envoy's defaults (`OutlierDetection.interval`, `base_ejection_time`, `max_ejection_time`).
const INTERVAL: Duration = Duration::from_secs(10);
const BASE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(300);

/// Compiles the detection, with Envoy's defaults. Where nothing is detected, the percentage of hosts below which all
/// take load is carried by a detection that counts nothing: discovery too says that hosts are unhealthy.
pub(super) fn compile(
    place: &Place<'_>,
    given: &Option<OutlierDetection>,
    panic_percent: u32,
) -> Compiled<Option<Outlier>> {
    let Some(given) = given else {
        return Ok(
            (panic_percent != super::balancing::PANIC_PERCENT).then_some(Outlier {
                consecutive_5xx: None,
                consecutive_gateway: None,
                consecutive_local_origin: None,
                split_local_origin: false,
                interval: INTERVAL,
                base_ejection: BASE,
                max_ejection: LONGEST,
                max_ejection_percent: 10,
                panic_percent,
            }),
        );
    };
    let inside = place.field("outlier_detection");
    take!(inside, given, OutlierDetection {
        consecutive_5xx, interval, base_ejection_time, max_ejection_percent, enforcing_consecutive_5xx,
        consecutive_gateway_failure, enforcing_consecutive_gateway_failure, split_external_local_origin_errors,
        consecutive_local_origin_failure, enforcing_consecutive_local_origin_failure, max_ejection_time,
        enforcing_success_rate, enforcing_failure_percentage, enforcing_failure_percentage_local_origin,
        always_eject_one_host,
    } refuse {} note {
        max_ejection_time_jitter, monitors, detect_degraded_hosts,
    } inert {
        success_rate_minimum_hosts, success_rate_request_volume, success_rate_stdev_factor,
        enforcing_local_origin_success_rate, failure_percentage_threshold, failure_percentage_minimum_hosts,
        failure_percentage_request_volume, successful_active_health_check_uneject_host,
    });
    for (field, given) in [
        ("enforcing_success_rate", enforcing_success_rate),
        ("enforcing_failure_percentage", enforcing_failure_percentage),
        (
            "enforcing_failure_percentage_local_origin",
            enforcing_failure_percentage_local_origin,
        ),
    ] {
        if given.as_ref().is_some_and(|v| v.value > 0) {
            inside.warn(field, "ejection by rate is not supported and has no effect");
        }
    }
    if always_eject_one_host.as_ref().is_some_and(|v| v.value) {
        inside.warn(
            "always_eject_one_host",
            "is not supported and has no effect",
        );
    }
    let counted = |field, errors: &Option<UInt32Value>, enforced: u32| {
        if (1..100).contains(&enforced) {
            inside.warn(field, "is taken for 100: ejections are not left to chance");
        }
        (enforced > 0).then(|| u32_or(errors, 5).max(1))
    };
    let interval = duration_or(&inside, "interval", interval, INTERVAL)?;
    let base_ejection = duration_or(&inside, "base_ejection_time", base_ejection_time, BASE)?;
    let longest = duration_or(&inside, "max_ejection_time", max_ejection_time, LONGEST)?;
    if interval.is_zero() {
        return Err(inside.refuse("interval", "must be more than zero"));
    }
    Ok(Some(Outlier {
        consecutive_5xx: counted(
            "enforcing_consecutive_5xx",
            consecutive_5xx,
            u32_or(enforcing_consecutive_5xx, 100),
        ),
        consecutive_gateway: counted(
            "enforcing_consecutive_gateway_failure",
            consecutive_gateway_failure,
            u32_or(enforcing_consecutive_gateway_failure, 0),
        ),
        consecutive_local_origin: counted(
            "enforcing_consecutive_local_origin_failure",
            consecutive_local_origin_failure,
            u32_or(enforcing_consecutive_local_origin_failure, 100),
        )
        .filter(|_| *split_external_local_origin_errors),
        split_local_origin: *split_external_local_origin_errors,
        interval,
        base_ejection,
        // Envoy takes the longer of the two.
        max_ejection: longest.max(base_ejection),
        max_ejection_percent: u32_or(max_ejection_percent, 10).min(100),
        panic_percent,
    }))
}
