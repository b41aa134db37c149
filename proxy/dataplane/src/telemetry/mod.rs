//! What workers count: Istio's metrics of who speaks to whom, and Envoy's of clusters and managers.
//!
//! Whose workload is at the other end is known before the hot path: a client's proxy has it from the endpoint's
//! metadata, a server's proxy is told by the client's in a header (`peer`), and both keep a handle on the finished
//! labels with the endpoint or the connection.

mod labels;
mod messages;
mod peer;

use std::sync::Arc;

use stats::Registry;
use stats::istio::Workload;

pub(crate) use labels::{Labels, Parties, as_peer};
pub(crate) use messages::Messages;
pub(crate) use peer::{Announced, SETTING};

/// Where a data plane counts, and for whom.
#[derive(Debug)]
pub struct Telemetry {
    pub(crate) registry: Arc<Registry>,
    pub(crate) own: Workload,
    /// What peers are told of `own`: `x-envoy-peer-metadata`.
    pub(crate) announcement: Vec<u8>,
    /// `x-envoy-peer-metadata-id`
    pub(crate) node: Vec<u8>,
}

impl Telemetry {
    /// Counts into `registry`, which has a share for each worker. `own` is this proxy's workload, `node` its xDS node's
    /// id.
    #[must_use]
    pub fn new(registry: Arc<Registry>, own: Workload, node: &str) -> Self {
        Telemetry {
            announcement: peer::announce(&own),
            registry,
            own,
            node: node.as_bytes().to_vec(),
        }
    }
}
