//! Where requests and their copies are sent.

use envoy_types::pb::envoy::config::route::v3::{
    WeightedCluster as Weighted,
    route_action::{ClusterSpecifier, RequestMirrorPolicy},
    weighted_cluster::{ClusterWeight, RandomValueSpecifier, cluster_weight},
};
use graph::route::{HostRewrite, Mirror, Target, WeightedCluster};

use super::{Mirrors, mutation};
use crate::intern::Interner;
use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, runtime_per_million, u32_or};

pub(super) fn compile(
    place: &Place<'_>,
    given: &Option<ClusterSpecifier>,
    names: &mut Interner,
) -> Compiled<Target> {
    Ok(match place.required("cluster_specifier", given)? {
        ClusterSpecifier::Cluster(name) if name.is_empty() => {
            return Err(place.refuse("cluster", "is empty; name a cluster"));
        }
        ClusterSpecifier::Cluster(name) => Target::Cluster(names.cluster(name)),
        ClusterSpecifier::ClusterHeader(header) if header.is_empty() => {
            return Err(place.refuse("cluster_header", "is empty; name a header"));
        }
        ClusterSpecifier::ClusterHeader(header) => {
            Target::Header(header.to_ascii_lowercase().into_bytes().into())
        }
        ClusterSpecifier::WeightedClusters(given) => {
            weighted(&place.field("weighted_clusters"), given, names)?
        }
        ClusterSpecifier::ClusterSpecifierPlugin(_)
        | ClusterSpecifier::InlineClusterSpecifierPlugin(_) => {
            return Err(place.refuse(
                "cluster_specifier",
                "is not supported; use cluster, cluster_header or weighted_clusters",
            ));
        }
    })
}

fn weighted(place: &Place<'_>, given: &Weighted, names: &mut Interner) -> Compiled<Target> {
    take!(place, given, Weighted { clusters, random_value_specifier }
        refuse {} note {} inert { total_weight, runtime_key_prefix });
    match random_value_specifier {
        None | Some(RandomValueSpecifier::UseHashPolicy(_)) => {
            place.should_be_unset("use_hash_policy", random_value_specifier);
        }
        Some(RandomValueSpecifier::HeaderName(_)) => {
            return Err(place.refuse("header_name", "is not supported; leave it out"));
        }
    }
    let mut compiled = Vec::with_capacity(clusters.len());
    let mut total: u64 = 0;
    for (index, given) in clusters.iter().enumerate() {
        let place = place.item("clusters", index);
        take!(place, given, ClusterWeight {
            name, weight, request_headers_to_add, request_headers_to_remove, response_headers_to_add,
            response_headers_to_remove, host_rewrite_specifier,
        } refuse { cluster_header, metadata_match, typed_per_filter_config } note {} inert {});
        if name.is_empty() {
            return Err(place.refuse("name", "is required; name a cluster"));
        }
        let weight = u32_or(weight, 0);
        total += u64::from(weight);
        compiled.push(WeightedCluster {
            cluster: names.cluster(name),
            weight,
            request: mutation::compile(
                &place,
                "request",
                request_headers_to_add,
                request_headers_to_remove,
            )?,
            response: mutation::compile(
                &place,
                "response",
                response_headers_to_add,
                response_headers_to_remove,
            )?,
            host: match host_rewrite_specifier {
                None => HostRewrite::None,
                Some(cluster_weight::HostRewriteSpecifier::HostRewriteLiteral(host)) => {
                    HostRewrite::Literal(host.as_bytes().into())
                }
            },
        });
    }
    match u32::try_from(total) {
        Ok(0) => Err(place.refuse(
            "clusters",
            "have no weight at all; give at least one more than zero",
        )),
        Ok(total) => Ok(Target::Weighted {
            clusters: compiled,
            total,
        }),
        Err(_) => Err(place.refuse("clusters", "have weights whose sum exceeds 32 bits")),
    }
}

pub(super) fn mirrors(
    place: &Place<'_>,
    given: &Mirrors,
    names: &mut Interner,
) -> Compiled<Vec<Mirror>> {
    let mut mirrors = Vec::with_capacity(given.len());
    for (index, given) in given.iter().enumerate() {
        let place = place.item("request_mirror_policies", index);
        take!(place, given, RequestMirrorPolicy { cluster, runtime_fraction, trace_sampled, disable_shadow_host_suffix_append }
            refuse { cluster_header, request_headers_mutations, host_rewrite_literal } note {} inert {});
        if trace_sampled.is_some() && bool_or(trace_sampled, false) {
            place.warn("trace_sampled", "is not supported and has no effect");
        }
        if cluster.is_empty() {
            return Err(place.refuse("cluster", "is required; name a cluster"));
        }
        mirrors.push(Mirror {
            cluster: names.cluster(cluster),
            fraction: match runtime_fraction {
                None => 1_000_000,
                Some(given) => runtime_per_million(&place, "runtime_fraction", given)?,
            },
            marks_host: !disable_shadow_host_suffix_append,
        });
    }
    Ok(mirrors)
}
