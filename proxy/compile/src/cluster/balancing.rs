//! How a host is chosen.

use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    self, CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig,
    OriginalDstLbConfig, RingHashLbConfig, RoundRobinLbConfig,
    common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig, ZoneAwareLbConfig},
    ring_hash_lb_config::HashFunction,
};
use envoy_types::pb::google::protobuf::UInt64Value;
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
    let Settings {
        choices,
        ring,
        table,
    } = settings(place, config)?;
    Ok(match policy {
        LbPolicy::ClusterProvided => None,
        LbPolicy::RoundRobin => Some(Balancing::RoundRobin),
        LbPolicy::Random => Some(Balancing::Random),
        LbPolicy::LeastRequest => Some(Balancing::LeastRequest { choices }),
        LbPolicy::RingHash => Some(Balancing::RingHash {
            minimum: ring.0,
            maximum: ring.1,
        }),
        LbPolicy::Maglev => Some(Balancing::Maglev { size: table }),
        LbPolicy::LoadBalancingPolicyConfig => {
            return Err(place.refuse("lb_policy", "LOAD_BALANCING_POLICY_CONFIG is not supported; use ROUND_ROBIN, LEAST_REQUEST or RANDOM"));
        }
    })
}

/// What policies are told.
struct Settings {
    /// How many hosts LEAST_REQUEST draws.
    choices: u32,
    /// Points of a ring, at least and at most.
    ring: (u32, u32),
    /// Size of a Maglev table.
    table: u32,
}

/// Envoy's bounds (`RingHashLbConfig`, `MaglevLbConfig`).
const MOST_POINTS: u32 = 8 << 20;
const MOST_ENTRIES: u32 = 5_000_011;

fn settings(place: &Place<'_>, config: &Option<LbConfig>) -> Compiled<Settings> {
    let mut settings = Settings {
        choices: 2,
        ring: (1024, MOST_POINTS),
        table: 65_537,
    };
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
            settings.choices = choices;
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
        Some(LbConfig::RingHashLbConfig(config)) => {
            let inside = place.field("ring_hash_lb_config");
            take!(inside, config, RingHashLbConfig { minimum_ring_size, hash_function, maximum_ring_size }
                refuse {} note {} inert {});
            if *hash_function != HashFunction::XxHash as i32 {
                return Err(inside.refuse("hash_function", "only XX_HASH is supported"));
            }
            settings.ring = (
                points(
                    &inside,
                    "minimum_ring_size",
                    minimum_ring_size,
                    settings.ring.0,
                )?,
                points(
                    &inside,
                    "maximum_ring_size",
                    maximum_ring_size,
                    settings.ring.1,
                )?,
            );
            if settings.ring.0 > settings.ring.1 {
                return Err(inside.refuse("minimum_ring_size", "exceeds maximum_ring_size"));
            }
        }
        Some(LbConfig::MaglevLbConfig(config)) => {
            let inside = place.field("maglev_lb_config");
            take!(inside, config, MaglevLbConfig { table_size } refuse {} note {} inert {});
            if let Some(given) = table_size {
                let prime = |n: u32| {
                    n > 1
                        && (2..)
                            .take_while(|d| d * d <= n)
                            .all(|d| !n.is_multiple_of(d))
                };
                settings.table = u32::try_from(given.value)
                    .ok()
                    .filter(|n| *n <= MOST_ENTRIES && prime(*n))
                    .ok_or_else(|| {
                        inside.refuse("table_size", "is not a prime of at most 5000011")
                    })?;
            }
        }
    }
    Ok(settings)
}

fn points(
    place: &Place<'_>,
    field: &str,
    given: &Option<UInt64Value>,
    default: u32,
) -> Compiled<u32> {
    match given.as_ref().map(|v| u32::try_from(v.value)) {
        None => Ok(default),
        Some(Ok(n @ 1..=MOST_POINTS)) => Ok(n),
        Some(_) => Err(place.refuse(field, "is not between 1 and 8388608")),
    }
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
