//! Clusters of services.

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;

use super::policy::{self, Rule};
use super::{Upstreams, base, metadata, options_with, original_destination, tls};
use crate::model::config::exported;
use crate::model::protocol::Protocol;
use crate::model::service::{Port, Resolution, Service};
use crate::names::Upstream;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::ads;

/// Whether a service is seen by the workloads of a class.
pub(crate) fn visible(service: &Service, class: &ProxyClass, reads: &mut Reads<'_>) -> bool {
    service.resolution != Resolution::Alias
        && exported(
            &service.export_to,
            &reads.mesh().default_service_export_to,
            &service.key.namespace,
            &class.namespace,
        )
}

pub(super) fn names(class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for service in reads.services() {
        if !visible(service, class, reads) {
            continue;
        }
        let rule = Rule::of(service, class, reads);
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            let subsets = rule.subsets.iter().map(|s| s.name.as_str());
            for subset in std::iter::once("").chain(subsets) {
                names.push(
                    Upstream::new(port.number, subset, &service.host)
                        .cluster()
                        .into(),
                );
            }
        }
    }
    names
}

/// What a cluster's name stands for.
struct Meant<'a> {
    service: &'a Arc<Service>,
    port: &'a Port,
    rule: Rule<'a>,
}

/// Nothing where the service, its port or the subset is missing: routes to it answer 503.
fn find<'a>(
    upstream: &Upstream<'_>,
    class: &ProxyClass,
    reads: &mut Reads<'a>,
) -> Option<Meant<'a>> {
    let service = reads.service_at(upstream.host)?;
    if !visible(service, class, reads) {
        return None;
    }
    let port = service
        .port(upstream.port)
        .filter(|p| p.protocol != Protocol::Udp)?;
    let rule = Rule::of(service, class, reads);
    let known = upstream.subset.is_empty() || rule.subset(upstream.subset).is_some();
    known.then_some(Meant {
        service,
        port,
        rule,
    })
}

pub(super) fn cluster(
    upstream: &Upstream<'_>,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<Cluster> {
    let meant = find(upstream, class, reads)?;
    let name = upstream.cluster();
    let policy = meant.rule.policy(upstream.subset, upstream.port);
    let mut made = match meant.service.resolution {
        Resolution::Passthrough => original_destination(&name, reads),
        _ => by_endpoints(&name, reads),
    };
    let h2 = meant.port.protocol.is_http2();
    let version = if h2 {
        Some(Upstreams::Http2)
    } else {
        undeclared(meant.port.protocol)
    };
    made.metadata = metadata::of(
        meant.service,
        Some(meant.port),
        upstream.subset,
        &meant.rule,
    );
    policy::apply(&policy, meant.service, &mut made);
    let pool = policy::http_options(&policy);
    let version = match policy::protocol(&policy) {
        Some(policy::Upgrade::Http2) if meant.port.protocol.is_http() => Some(Upstreams::Http2),
        Some(policy::Upgrade::AsDownstream) => Some(Upstreams::AsDownstream),
        _ => version,
    };
    match version {
        Some(version) => {
            made.typed_extension_protocol_options =
                options_with(version, pool, policy::http2_options(&policy))
        }
        None if pool.is_some() => made.typed_extension_protocol_options = http1(pool),
        None => {}
    }
    tls::upstream(
        &mut made,
        upstream,
        meant.service,
        policy.tls,
        version == Some(Upstreams::Http2),
        class,
        reads,
    );
    Some(made)
}

/// A port of undeclared protocol is spoken to as the caller spoke.
fn undeclared(protocol: Protocol) -> Option<Upstreams> {
    (protocol == Protocol::Auto).then_some(Upstreams::AsDownstream)
}

fn http1(
    common: Option<core::HttpProtocolOptions>,
) -> std::collections::HashMap<String, envoy_types::pb::google::protobuf::Any> {
    use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
        HttpProtocolOptions, http_protocol_options as http,
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_protocol_options: Some(http::UpstreamProtocolOptions::ExplicitHttpConfig(
            http::ExplicitHttpConfig {
                protocol_config: Some(
                    http::explicit_http_config::ProtocolConfig::HttpProtocolOptions(
                        core::Http1ProtocolOptions::default(),
                    ),
                ),
            },
        )),
        ..Default::default()
    };
    std::iter::once((super::HTTP_OPTIONS.to_owned(), crate::wire::any(&options))).collect()
}

fn by_endpoints(name: &str, reads: &mut Reads<'_>) -> Cluster {
    Cluster {
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: ads(),
            service_name: name.to_owned(),
        }),
        lb_policy: cluster::LbPolicy::LeastRequest.into(),
        circuit_breakers: super::unlimited(),
        common_lb_config: Some(cluster::CommonLbConfig {
            locality_config_specifier: Some(
                cluster::common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(
                    cluster::common_lb_config::LocalityWeightedLbConfig {},
                ),
            ),
            // Traffic never goes to endpoints that are not ready because few are.
            healthy_panic_threshold: Some(envoy_types::pb::envoy::r#type::v3::Percent {
                value: 0.0,
            }),
            ..Default::default()
        }),
        ..base(name, cluster::DiscoveryType::Eds, reads)
    }
}

/// The cluster as a gRPC library takes it: endpoints by EDS, round robin, nothing that it lacks.
pub(crate) fn for_grpc(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Cluster> {
    let upstream = Upstream::parse(name)?;
    find(&upstream, class, reads)?;
    Some(Cluster {
        name: name.to_owned(),
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: ads(),
            service_name: name.to_owned(),
        }),
        connect_timeout: super::connect_timeout(reads),
        lb_policy: cluster::LbPolicy::RoundRobin.into(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds.into(),
        )),
        ..Default::default()
    })
}
