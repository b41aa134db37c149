//! Endpoints of a cluster.

use std::net::SocketAddr;
use std::sync::Arc;

/// All endpoints of a cluster, as they came (`ClusterLoadAssignment`) or as a name resolved.
#[derive(Debug, Default, Clone)]
pub struct Endpoints {
    /// By priority, highest first (priority 0); each a list of hosts of all its localities.
    pub priorities: Vec<Vec<Arc<Host>>>,
    /// Load of priority n goes on to n + 1 once healthy hosts are fewer than 1 / this; 1.4 in Envoy (140).
    pub overprovisioning_percent: u32,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where it is.
    pub address: SocketAddr,
    /// What share of requests it gets among its like; at least 1.
    pub weight: u32,
    /// Weight of its locality times the host's share in it is folded into `weight` when localities are weighted.
    pub locality: Arc<Locality>,
    /// What discovery says.
    pub health: Health,
    /// Index into the cluster's `transports`: resolved from the endpoint's metadata.
    pub transport: u16,
    /// Istio's `workload` metadata.
    pub workload: Option<Arc<Workload>>,
    /// Name that the address came from, for clusters found by DNS.
    pub hostname: Option<Arc<str>>,
}

/// Where a host is (`core.v3.Locality`).
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Locality {
    /// Region.
    pub region: String,
    /// Zone.
    pub zone: String,
    /// Sub-zone.
    pub sub_zone: String,
}

/// Health as discovery tells (`core.v3.HealthStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Healthy, or not known.
    Healthy,
    /// Takes a share only when the healthy do not suffice.
    Degraded,
    /// Takes none.
    Unhealthy,
    /// Takes none anew; what is under way ends by itself.
    Draining,
}

/// What Istio's endpoint metadata says of a workload: `name;namespace;canonical name;canonical revision;cluster`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Workload {
    /// Name of the workload (a Deployment's).
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Label `service.istio.io/canonical-name`.
    pub canonical_name: String,
    /// Label `service.istio.io/canonical-revision`.
    pub canonical_revision: String,
    /// Cluster id.
    pub cluster: String,
}
