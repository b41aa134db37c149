//! Labels of Istio's metrics, made once for each pair of workloads on a connection.

use std::sync::Arc;

use graph::cluster::{Cluster, ClusterId};
use graph::endpoint;
use stats::istio::{Dimensions, Istio, Protocol, Reporter, Security, Traffic, Workload};

/// Labels kept with a connection or endpoint; one more clears them.
const KEPT: usize = 8;

/// Who speaks to whom.
#[derive(Debug)]
pub(crate) struct Parties {
    pub(crate) reporter: Reporter,
    pub(crate) source: Workload,
    pub(crate) destination: Workload,
    pub(crate) security: Security,
}

/// Finished labels, by what else tells them apart.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    kept: Vec<(Option<ClusterId>, Protocol, Arc<Traffic>)>,
}

impl Labels {
    /// Forgets all: a party is another one.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Those of traffic to a cluster. `host` names the service where the cluster does not.
    pub(crate) fn of(
        &mut self,
        istio: &Istio,
        cluster: Option<&Cluster>,
        protocol: Protocol,
        host: &str,
        parties: impl FnOnce() -> Parties,
    ) -> Arc<Traffic> {
        let id = cluster.map(|c| c.id);
        let found = self.kept.iter().find(|(kept, spoken, traffic)| {
            *kept == id
                && *spoken == protocol
                && (cluster.is_some_and(|c| !c.services.is_empty())
                    || *traffic.dimensions().destination_service == *host)
        });
        if let Some((_, _, traffic)) = found {
            return traffic.clone();
        }
        let Parties {
            reporter,
            source,
            destination,
            security,
        } = parties();
        let service = cluster.and_then(|c| c.services.first());
        let traffic = istio.intern(&Dimensions {
            reporter,
            destination_service: service.map_or(host, |s| &s.host).into(),
            destination_service_name: match (service, cluster) {
                (Some(service), _) => (*service.name).into(),
                (None, Some(cluster)) if is_catch_all(&cluster.name) => (*cluster.name).into(),
                _ => host.into(),
            },
            destination_service_namespace: match service {
                Some(service) => (*service.namespace).into(),
                None => destination.namespace.clone(),
            },
            source,
            destination,
            protocol,
            security,
        });
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.push((id, protocol, traffic.clone()));
        traffic
    }
}

/// Clusters that Istio names as services of their own.
fn is_catch_all(name: &str) -> bool {
    matches!(
        name,
        "PassthroughCluster"
            | "BlackHoleCluster"
            | "InboundPassthroughCluster"
            | "InboundPassthroughClusterIpv4"
            | "InboundPassthroughClusterIpv6"
    )
}

/// A workload as an endpoint's metadata describes it.
pub(crate) fn as_peer(described: Option<&endpoint::Workload>, principal: &str) -> Workload {
    let known = described.cloned().unwrap_or_default();
    Workload {
        workload: known.name.into(),
        namespace: known.namespace.into(),
        principal: principal.into(),
        app: known.canonical_name.clone().into(),
        version: known.canonical_revision.clone().into(),
        cluster: known.cluster.into(),
        canonical_service: known.canonical_name.into(),
        canonical_revision: known.canonical_revision.into(),
    }
    .as_peer()
}
