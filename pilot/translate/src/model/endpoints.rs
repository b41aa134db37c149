//! The endpoints of a service: its slices joined with the pods and machines behind them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1 as discovery;

use super::Locality;
use super::workload::Workload;

/// One EndpointSlice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slice {
    /// Name of the service's port to the endpoints' port number.
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) endpoints: Vec<SliceEndpoint>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SliceEndpoint {
    pub(crate) address: IpAddr,
    pub(crate) health: Health,
    pub(crate) zone: String,
    pub(crate) node: String,
}

/// What may be sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// New requests.
    Ready,
    /// Nothing: it is starting or failing.
    NotReady,
    /// Nothing new: it is ending, but answers what it was sent before.
    Draining,
}

impl Slice {
    /// Addresses that are no addresses are left out (`addressType: FQDN`).
    pub(crate) fn new(object: &discovery::EndpointSlice) -> Self {
        let ports = object
            .ports
            .iter()
            .flatten()
            .filter_map(|p| {
                Some((
                    p.name.clone().unwrap_or_default(),
                    u16::try_from(p.port?).ok()?,
                ))
            })
            .collect();
        let endpoints = object.endpoints.iter().filter_map(endpoint).collect();
        Self { ports, endpoints }
    }
}

fn endpoint(endpoint: &discovery::Endpoint) -> Option<SliceEndpoint> {
    // The addresses of one endpoint are alternatives of each other: the first one stands for it.
    let address = endpoint.addresses.iter().find_map(|a| a.parse().ok())?;
    let (ready, serving, terminating) =
        endpoint
            .conditions
            .as_ref()
            .map_or((true, true, false), |c| {
                let ready = c.ready.unwrap_or(true);
                (
                    ready,
                    c.serving.unwrap_or(ready),
                    c.terminating.unwrap_or(false),
                )
            });
    let health = match (terminating, ready, serving) {
        (false, true, _) => Health::Ready,
        (true, _, true) => Health::Draining,
        _ => Health::NotReady,
    };
    Some(SliceEndpoint {
        address,
        health,
        zone: endpoint.zone.clone().unwrap_or_default(),
        node: endpoint.node_name.clone().unwrap_or_default(),
    })
}

/// All endpoints of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Endpoints {
    pub(crate) all: Vec<Endpoint>,
}

/// An endpoint with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) address: IpAddr,
    pub(crate) health: Health,
    pub(crate) locality: Locality,
    pub(crate) workload: Option<Arc<Workload>>,
    /// The slice's ports, by the name of the service's port.
    pub(crate) ports: Arc<BTreeMap<String, u16>>,
}
