//! Endpoints: where the instances of a service are, in what health, and whether they take mutual
//! TLS.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use resources::istio::peer_authentication::Mode;

use crate::cluster::{auto_mutual_tls, inbound_mode, policy::Rule, visible};
use crate::model::endpoints::{Endpoint as Known, Health};
use crate::model::selector::selects;
use crate::model::{Locality, protocol::Protocol};
use crate::names::Upstream;
use crate::proxy::{ProxyClass, Role};
use crate::snapshot::reads::Reads;
use crate::wire::{address, string_struct, u32_value};

/// The endpoints of a cluster. A cluster without any has an empty assignment, so that callers
/// answer 503 at once and do not wait for one.
pub(crate) fn assignment(
    name: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<ClusterLoadAssignment> {
    let upstream = Upstream::parse(name)?;
    let service = reads.service_at(upstream.host)?;
    if !visible(service, class, reads) {
        return None;
    }
    let port = service
        .port(upstream.port)
        .filter(|p| p.protocol != Protocol::Udp)?;
    let wanted = match upstream.subset {
        "" => None,
        subset => Some(&Rule::of(service, class, reads).subset(subset)?.labels),
    };
    let mutual = auto_mutual_tls(service, reads);
    let mut by_locality: BTreeMap<&Locality, Vec<LbEndpoint>> = BTreeMap::new();
    for endpoint in reads
        .endpoints(&service.key)
        .into_iter()
        .flat_map(|e| &e.all)
    {
        let fits = match (wanted, &endpoint.workload) {
            (None, _) => true,
            (Some(labels), Some(pod)) => selects(labels, &pod.labels),
            (Some(_), None) => false,
        };
        let Some(number) = endpoint.ports.get(&port.name).copied().filter(|_| fits) else {
            continue;
        };
        let known = if class.role == Role::Grpc {
            LbEndpoint {
                load_balancing_weight: u32_value(1),
                ..lb_endpoint(endpoint, number, service.publish_not_ready)
            }
        } else {
            LbEndpoint {
                metadata: metadata(endpoint, number, mutual, reads),
                load_balancing_weight: u32_value(1),
                ..lb_endpoint(endpoint, number, service.publish_not_ready)
            }
        };
        by_locality
            .entry(&endpoint.locality)
            .or_default()
            .push(known);
    }
    let endpoints = by_locality
        .into_iter()
        .map(|(locality, lb_endpoints)| LocalityLbEndpoints {
            locality: Some(core::Locality {
                region: locality.region.clone(),
                zone: locality.zone.clone(),
                sub_zone: locality.subzone.clone(),
            }),
            load_balancing_weight: u32_value(u32::try_from(lb_endpoints.len()).unwrap_or(u32::MAX)),
            lb_endpoints,
            ..Default::default()
        })
        .collect();
    Some(ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints,
        ..Default::default()
    })
}

fn lb_endpoint(endpoint: &Known, port: u16, publish_not_ready: bool) -> LbEndpoint {
    let health = match endpoint.health {
        Health::Ready => core::HealthStatus::Healthy,
        Health::NotReady if publish_not_ready => core::HealthStatus::Healthy,
        Health::NotReady => core::HealthStatus::Unhealthy,
        Health::Draining => core::HealthStatus::Draining,
    };
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(&endpoint.address.to_string(), port),
            ..Default::default()
        })),
        health_status: health.into(),
        ..Default::default()
    }
}

fn metadata(
    endpoint: &Known,
    port: u16,
    mutual: bool,
    reads: &mut Reads<'_>,
) -> Option<core::Metadata> {
    let pod = endpoint.workload.as_ref()?;
    let described = string_struct([("workload", pod.description(&reads.settings().cluster))]);
    let mut metadata = core::Metadata::default();
    metadata
        .filter_metadata
        .insert("istio".to_owned(), described);
    if mutual
        && pod.takes_mutual_tls()
        && inbound_mode(&pod.key.namespace, &pod.labels, port, reads) != Mode::Disable
    {
        let mode = string_struct([("tlsMode", "istio".to_owned())]);
        metadata
            .filter_metadata
            .insert("envoy.transport_socket_match".to_owned(), mode);
    }
    Some(metadata)
}
