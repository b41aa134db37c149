//! How a host is chosen.

use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    self, CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, OriginalDstLbConfig,
    RoundRobinLbConfig,
    common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig, ZoneAwareLbConfig},
};
use graph::cluster::{Balancing, Discovery};

use crate::place::{Compiled, Place, take};
use crate::value::{basis_points, known, u32_or};

/// The policy; none where the discovery decides.
pub(super) fn compile(
    place: &Place<'_>,
    policy: i32,
    config: &Option<LbConfig>,
    discovery: Discovery,
) -> Compiled<Option<Balancing>> {
    let policy = known(place, "lb_policy", policy)?;
    let provided = discovery == Discovery::OriginalDestination;
    if provided != (policy == LbPolicy::ClusterProvided) {
        return Err(place.refuse(
            "lb_policy",
            "CLUSTER_PROVIDED belongs to ORIGINAL_DST clusters, and no other policy does",
        ));
    }
    let choices = settings(place, config)?;
    Ok(match policy {
        LbPolicy::ClusterProvided => None,
        LbPolicy::RoundRobin => Some(Balancing::RoundRobin),
        LbPolicy::Random => Some(Balancing::Random),
        LbPolicy::LeastRequest => Some(Balancing::LeastRequest { choices }),
        LbPolicy::RingHash | LbPolicy::Maglev => {
            return Err(place.refuse(
                "lb_policy",
                "consistent hashing is not supported; use ROUND_ROBIN, LEAST_REQUEST or RANDOM",
            ));
        }
        LbPolicy::LoadBalancingPolicyConfig => {
            return Err(place.refuse("lb_policy", "LOAD_BALANCING_POLICY_CONFIG is not supported; use ROUND_ROBIN, LEAST_REQUEST or RANDOM"));
        }
    })
}

/// How many hosts LEAST_REQUEST draws.
fn settings(place: &Place<'_>, config: &Option<LbConfig>) -> Compiled<u32> {
    match config {
        None => {}
        Some(LbConfig::LeastRequestLbConfig(config)) => {
            let inside = place.field("least_request_lb_config");
            take!(inside, config, LeastRequestLbConfig { choice_count } refuse {}
                note { active_request_bias, slow_start_config } inert {});
            let choices = u32_or(choice_count, 2);
            if choices < 2 {
                return Err(inside.refuse("choice_count", "must be at least 2"));
            }
            return Ok(choices);
        }
        Some(LbConfig::RoundRobinLbConfig(config)) => {
            let inside = place.field("round_robin_lb_config");
            take!(inside, config, RoundRobinLbConfig {} refuse {} note { slow_start_config } inert {});
        }
        Some(LbConfig::OriginalDstLbConfig(config)) => {
            let inside = place.field("original_dst_lb_config");
            take!(inside, config, OriginalDstLbConfig {}
                refuse { use_http_header, http_header_name, upstream_port_override, metadata_key } note {} inert {});
        }
        Some(LbConfig::RingHashLbConfig(_)) => {
            return Err(place.refuse("ring_hash_lb_config", "is not supported; leave it out"));
        }
        Some(LbConfig::MaglevLbConfig(_)) => {
            return Err(place.refuse("maglev_lb_config", "is not supported; leave it out"));
        }
    }
    Ok(2)
}

/// What all policies share.
pub(super) struct Common {
    pub(super) panic_percent: u32,
    pub(super) weighted_localities: bool,
}

/// Envoy's default (`CommonLbConfig.healthy_panic_threshold`).
pub(super) const PANIC_PERCENT: u32 = 50;

pub(super) fn common(place: &Place<'_>, config: &Option<CommonLbConfig>) -> Compiled<Common> {
    let Some(config) = config else {
        return Ok(Common {
            panic_percent: PANIC_PERCENT,
            weighted_localities: false,
        });
    };
    let inside = place.field("common_lb_config");
    take!(inside, config, cluster::CommonLbConfig { healthy_panic_threshold, locality_config_specifier }
        refuse { override_host_status }
        note { ignore_new_hosts_until_first_hc, close_connections_on_host_set_change, consistent_hashing_lb_config }
        inert { update_merge_window });
    let panic_percent = match healthy_panic_threshold {
        Some(given) => basis_points(&inside, "healthy_panic_threshold", given)? / 100,
        None => PANIC_PERCENT,
    };
    let weighted_localities = match locality_config_specifier {
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig {})) => {
            true
        }
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(given)) => {
            let inside = inside.field("zone_aware_lb_config");
            take!(inside, given, ZoneAwareLbConfig {} refuse {}
                note { routing_enabled, min_cluster_size, fail_traffic_on_panic } inert {});
            false
        }
        None => false,
    };
    Ok(Common {
        panic_percent,
        weighted_localities,
    })
}
