//! Clusters of the workload itself: the ports on which services reach it.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use resources::mesh_config::InboundMode;

use super::policy::{self, Rule};
use super::{Upstreams, base, bind_loopback, metadata, options_with, original_destination};
use crate::model::protocol::Protocol;
use crate::model::selector::selects;
use crate::model::service::{Port, Resolution, Service, Target};
use crate::names;
use crate::proxy::{Inbound, ProxyClass};
use crate::snapshot::reads::Reads;
use crate::wire::{FOREVER, address, duration};

/// The services' ports that lead to a workload, by the workload's own port. Where several services
/// lead to one port, the oldest says which protocol it speaks.
pub(crate) fn targets<'a>(
    class: &ProxyClass,
    inbound: &Inbound,
    reads: &mut Reads<'a>,
) -> BTreeMap<u16, (&'a Arc<Service>, &'a Port)> {
    let mut found: BTreeMap<u16, (&Arc<Service>, &Port)> = BTreeMap::new();
    let Some(services) = reads.services_of(&class.namespace) else {
        return found;
    };
    for service in services.values() {
        if service.resolution == Resolution::Alias
            || service.selector.is_empty()
            || !selects(&service.selector, &inbound.labels)
        {
            continue;
        }
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            let target = match &port.target {
                Target::Number(number) => Some(*number),
                Target::Name(name) => inbound.ports.get(name).copied(),
            };
            let Some(target) = target else { continue };
            let older =
                |other: &Service| (service.created, &service.key) < (other.created, &other.key);
            if found.get(&target).is_none_or(|(other, _)| older(other)) {
                found.insert(target, (service, port));
            }
        }
    }
    found
}

pub(crate) fn names(class: &ProxyClass, inbound: &Inbound, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    targets(class, inbound, reads)
        .into_keys()
        .map(|port| names::inbound(port).into())
        .collect()
}

/// The cluster through which the proxy reaches its own workload on a port.
pub(crate) fn cluster(
    name: &str,
    class: &ProxyClass,
    inbound: &Inbound,
    reads: &mut Reads<'_>,
) -> Option<Cluster> {
    let target = names::parse_inbound(name)?;
    let (service, port) = targets(class, inbound, reads).remove(&target)?;
    let mut made = match reads.mesh().inbound_traffic_policy.mode {
        InboundMode::Passthrough => Cluster {
            upstream_bind_config: bind_loopback(class),
            cleanup_interval: duration(FOREVER),
            ..original_destination(name, reads)
        },
        InboundMode::Localhost => Cluster {
            load_assignment: Some(localhost(name, class, target)),
            ..base(name, cluster::DiscoveryType::Static, reads)
        },
    };
    let rule = Rule::of(service, class, reads);
    made.metadata = metadata::of(service, None, "", &rule);
    let mut blocks = rule.policy("", port.number);
    // Only the limits of a rule hold on the way in: its balancing, ejection and TLS are the callers'.
    blocks.load_balancer = None;
    blocks.outlier = None;
    blocks.tls = None;
    blocks.retry_budget = None;
    policy::apply(&blocks, service, &mut made);
    made.common_lb_config = None;
    let version = if port.protocol.is_http2() {
        Some(Upstreams::Http2)
    } else {
        (port.protocol == Protocol::Auto).then_some(Upstreams::AsDownstream)
    };
    if let Some(version) = version {
        made.typed_extension_protocol_options = options_with(
            version,
            policy::http_options(&blocks),
            policy::http2_options(&blocks),
        );
    }
    Some(made)
}

fn localhost(name: &str, class: &ProxyClass, port: u16) -> ClusterLoadAssignment {
    let loopback = if class.ipv4 { "127.0.0.1" } else { "::1" };
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(loopback, port),
            ..Default::default()
        })),
        ..Default::default()
    };
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..Default::default()
        }],
        ..Default::default()
    }
}
