//! The TCP proxy.

use std::time::Duration;

use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy as Message,
    tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
};
use envoy_types::pb::envoy::r#type::v3::{
    HashPolicy,
    hash_policy::{PolicySpecifier, SourceIp},
};
use envoy_types::pb::google::protobuf::Any;
use graph::chain::TcpProxy;
use graph::cluster::ClusterId;
use graph::manager::Reporter;

use crate::access_log;
use crate::intern::Interner;
use crate::place::{Compiled, Place, take};
use crate::value::{duration_or, u32_or, unpack};

/// Envoy's default (`TcpProxy.idle_timeout`).
const IDLE: Duration = Duration::from_secs(3600);

/// Compiles the proxy; `stats` says which side Istio's metrics report, if they are reported.
pub(crate) fn compile(
    place: &Place<'_>,
    any: &Any,
    names: &mut Interner,
    stats: Option<Reporter>,
) -> Compiled<TcpProxy> {
    let message: Message = unpack(place, any)?;
    take!(place, &message, Message { stat_prefix, idle_timeout, access_log, max_connect_attempts, cluster_specifier, hash_policy,
        max_downstream_connection_duration }
    refuse { on_demand, metadata_match, tunneling_config, proxy_protocol_tlvs }
    note {
        downstream_idle_timeout, upstream_idle_timeout, backoff_options,
        access_log_flush_interval, flush_access_log_on_connected, access_log_options, upstream_connect_mode,
    }
    inert {
        max_downstream_connection_duration_jitter_percentage, proxy_protocol_tlv_merge_policy, max_early_data_bytes,
        check_drain_close,
    });
    let clusters = clusters(place, cluster_specifier, names)?;
    let total: u64 = clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let total_weight = u32::try_from(total).map_err(|_| {
        place.refuse(
            "weighted_clusters",
            "have weights whose sum exceeds 32 bits",
        )
    })?;
    Ok(TcpProxy {
        stat_prefix: stat_prefix.as_str().into(),
        clusters,
        total_weight,
        idle_timeout: duration_or(place, "idle_timeout", idle_timeout, IDLE)?,
        hashes_source: hashes_source(place, hash_policy),
        max_connection_duration: duration_or(
            place,
            "max_downstream_connection_duration",
            max_downstream_connection_duration,
            Duration::ZERO,
        )?,
        max_connect_attempts: u32_or(max_connect_attempts, 1).max(1),
        access_logs: access_log::all(place, "access_log", access_log),
        stats,
    })
}

/// Whether a policy names the client's address, the one thing of a connection of bytes that Istio hashes.
fn hashes_source(place: &Place<'_>, given: &[HashPolicy]) -> bool {
    let source = |policy: &HashPolicy| {
        matches!(
            policy.policy_specifier,
            Some(PolicySpecifier::SourceIp(SourceIp {}))
        )
    };
    if !given.iter().all(source) {
        place.warn("hash_policy", "only source_ip is supported");
    }
    given.iter().any(source)
}

fn clusters(
    place: &Place<'_>,
    given: &Option<ClusterSpecifier>,
    names: &mut Interner,
) -> Compiled<Vec<(ClusterId, u32)>> {
    match place.required("cluster_specifier", given)? {
        ClusterSpecifier::Cluster(name) if name.is_empty() => {
            Err(place.refuse("cluster", "is empty; name a cluster"))
        }
        ClusterSpecifier::Cluster(name) => Ok(vec![(names.cluster(name), 1)]),
        ClusterSpecifier::WeightedClusters(WeightedCluster { clusters }) => {
            let mut weighted = Vec::with_capacity(clusters.len());
            for (index, given) in clusters.iter().enumerate() {
                let place = place.item("weighted_clusters.clusters", index);
                take!(place, given, ClusterWeight { name, weight } refuse { metadata_match } note {} inert {});
                if name.is_empty() || *weight == 0 {
                    return Err(place.refuse("", "needs a name and a weight of more than zero"));
                }
                weighted.push((names.cluster(name), *weight));
            }
            match weighted.is_empty() {
                true => {
                    Err(place.refuse("weighted_clusters.clusters", "is required; name a cluster"))
                }
                false => Ok(weighted),
            }
        }
    }
}
