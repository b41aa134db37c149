//! Endpoints as they come, before a cluster says how they are weighed and spoken to.

use std::net::SocketAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{self as core, HealthStatus};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
    cluster_load_assignment::{Policy, policy::DropOverload},
    lb_endpoint::HostIdentifier,
};
use envoy_types::pb::google::protobuf::Struct;
use graph::endpoint::{Health, Locality, Workload};

use crate::place::{Compiled, Place, take};
use crate::value::{self, Address, ip_address, struct_text, u32_or};

/// `envoy.transport_socket_match` metadata.
pub(crate) const SOCKET_MATCH: &str = "envoy.transport_socket_match";
/// Load goes on to the next priority once healthy hosts are fewer than 100 / 140.
const OVERPROVISIONING: u32 = 140;
/// The highest priority that Envoy takes.
const LAST_PRIORITY: u32 = 128;

#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) localities: Vec<Hosts>,
    pub(crate) overprovisioning_percent: u32,
}

impl Default for Assignment {
    fn default() -> Self {
        Assignment {
            localities: Vec::new(),
            overprovisioning_percent: OVERPROVISIONING,
        }
    }
}

/// The hosts of a locality at a priority.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) locality: Arc<Locality>,
    pub(crate) priority: u32,
    /// Of the locality among those of its priority; `None`: it was not given.
    pub(crate) weight: Option<u32>,
    pub(crate) hosts: Vec<Given>,
}

#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) place: Whereabouts,
    pub(crate) hostname: Option<Arc<str>>,
    pub(crate) weight: u32,
    pub(crate) health: Health,
    pub(crate) socket: Option<Arc<Struct>>,
    pub(crate) workload: Option<Arc<Workload>>,
}

/// Where an endpoint is.
#[derive(Debug)]
pub(crate) enum Whereabouts {
    At(SocketAddr),
    /// To be resolved.
    Name(Arc<str>, u16),
}

/// Compiles endpoints; `names` says whether they may be names to resolve.
pub(crate) fn compile(
    place: &Place<'_>,
    message: &ClusterLoadAssignment,
    names: bool,
) -> Compiled<Assignment> {
    take!(place, message, ClusterLoadAssignment { endpoints, policy }
        refuse {} note {} inert { cluster_name, named_endpoints });
    let mut localities = Vec::with_capacity(endpoints.len());
    for (index, given) in endpoints.iter().enumerate() {
        localities.push(hosts(&place.item("endpoints", index), given, names)?);
    }
    Ok(Assignment {
        localities,
        overprovisioning_percent: overprovisioning(place, policy)?,
    })
}

fn overprovisioning(place: &Place<'_>, policy: &Option<Policy>) -> Compiled<u32> {
    let Some(policy) = policy else {
        return Ok(OVERPROVISIONING);
    };
    let inside = place.field("policy");
    take!(inside, policy, Policy { drop_overloads, overprovisioning_factor }
        refuse {} note { endpoint_stale_after, weighted_priority_health } inert {});
    for (index, given) in drop_overloads.iter().enumerate() {
        let inside = inside.item("drop_overloads", index);
        take!(inside, given, DropOverload {} refuse { drop_percentage } note {} inert { category });
    }
    match u32_or(overprovisioning_factor, OVERPROVISIONING) {
        0 => Err(inside.refuse("overprovisioning_factor", "must be more than zero")),
        some => Ok(some),
    }
}

fn hosts(place: &Place<'_>, given: &LocalityLbEndpoints, names: bool) -> Compiled<Hosts> {
    take!(place, given, LocalityLbEndpoints { locality, lb_endpoints, load_balancing_weight, priority }
        refuse { lb_config } note {} inert { metadata, proximity });
    let locality = match locality {
        None => Arc::default(),
        Some(core::Locality {
            region,
            zone,
            sub_zone,
        }) => Arc::new(Locality {
            region: region.clone(),
            zone: zone.clone(),
            sub_zone: sub_zone.clone(),
        }),
    };
    if *priority > LAST_PRIORITY {
        return Err(place.refuse("priority", format!("is more than {LAST_PRIORITY}")));
    }
    let mut hosts = Vec::with_capacity(lb_endpoints.len());
    for (index, endpoint) in lb_endpoints.iter().enumerate() {
        hosts.push(host(&place.item("lb_endpoints", index), endpoint, names)?);
    }
    Ok(Hosts {
        locality,
        priority: *priority,
        weight: load_balancing_weight.as_ref().map(|w| w.value),
        hosts,
    })
}

fn host(place: &Place<'_>, given: &LbEndpoint, names: bool) -> Compiled<Given> {
    take!(place, given, LbEndpoint { health_status, metadata, load_balancing_weight, host_identifier }
        refuse {} note {} inert {});
    let endpoint = match place.required("endpoint", host_identifier)? {
        HostIdentifier::Endpoint(endpoint) => endpoint,
        HostIdentifier::EndpointName(_) => {
            return Err(place.refuse("endpoint_name", "is not supported; use endpoint"));
        }
    };
    let inside = place.field("endpoint");
    take!(inside, endpoint, Endpoint { address, hostname }
        refuse {} note { health_check_config, additional_addresses } inert { observability_name });
    let (whereabouts, found_by) = match names {
        false => (
            Whereabouts::At(ip_address(&inside, "address", address)?),
            None,
        ),
        true => match value::address(&inside, "address", address)? {
            Address::Ip(at) => (Whereabouts::At(at), None),
            Address::Name(name, port) => {
                let name: Arc<str> = name.into();
                (Whereabouts::Name(name.clone(), port), Some(name))
            }
        },
    };
    let health = match HealthStatus::try_from(*health_status) {
        Ok(HealthStatus::Unknown | HealthStatus::Healthy) => Health::Healthy,
        Ok(HealthStatus::Degraded) => Health::Degraded,
        Ok(HealthStatus::Draining) => Health::Draining,
        // A state of which nothing is known takes no load.
        Ok(HealthStatus::Unhealthy | HealthStatus::Timeout) | Err(_) => Health::Unhealthy,
    };
    let weight = match u32_or(load_balancing_weight, 1) {
        0 => return Err(place.refuse("load_balancing_weight", "must be more than zero")),
        some => some,
    };
    let of = |name: &str| metadata.as_ref().and_then(|m| m.filter_metadata.get(name));
    Ok(Given {
        place: whereabouts,
        hostname: found_by.or_else(|| (!hostname.is_empty()).then(|| hostname.as_str().into())),
        weight,
        health,
        socket: of(SOCKET_MATCH).cloned().map(Arc::new),
        workload: of("istio")
            .and_then(|istio| struct_text(istio, "workload"))
            .map(|text| Arc::new(workload(text))),
    })
}

/// `name;namespace;canonical name;canonical revision;cluster`, where what is missing at the end is empty.
fn workload(text: &str) -> Workload {
    let mut parts = text.split(';').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Workload {
        name: next(),
        namespace: next(),
        canonical_name: next(),
        canonical_revision: next(),
        cluster: next(),
    }
}
