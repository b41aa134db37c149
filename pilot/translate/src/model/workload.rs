//! Pods as endpoints and as owners of proxies.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;

use super::NamespacedName;
use super::selector::Labels;

/// A pod.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workload {
    pub(crate) key: NamespacedName,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) labels: Labels,
    pub(crate) service_account: String,
    pub(crate) node: String,
    /// The Deployment, StatefulSet, ... that made it, or its own name.
    pub(crate) owner: String,
    /// Container port names to numbers.
    pub(crate) ports: BTreeMap<String, u16>,
}

impl Workload {
    pub(crate) fn new(pod: &core::Pod) -> Self {
        let meta = &pod.metadata;
        let labels = meta.labels.clone().unwrap_or_default();
        let key = NamespacedName::new(
            meta.namespace.as_deref().unwrap_or("default"),
            meta.name.as_deref().unwrap_or_default(),
        );
        let status = pod.status.clone().unwrap_or_default();
        let mut ips: Vec<IpAddr> = status
            .pod_ips
            .unwrap_or_default()
            .iter()
            .filter_map(|ip| ip.ip.parse().ok())
            .collect();
        if let Some(ip) = status.pod_ip.and_then(|ip| ip.parse().ok())
            && !ips.contains(&ip)
        {
            ips.insert(0, ip);
        }
        if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            // Its address may be another pod's by now.
            ips.clear();
        }
        let spec = pod.spec.as_ref();
        let ports = spec
            .into_iter()
            .flat_map(|s| &s.containers)
            .flat_map(|c| c.ports.iter().flatten())
            .filter_map(|p| Some((p.name.clone()?, u16::try_from(p.container_port).ok()?)))
            .collect();
        Self {
            owner: owner(pod, &labels).unwrap_or_else(|| key.name.to_string()),
            key,
            ips,
            service_account: spec
                .and_then(|s| s.service_account_name.clone())
                .unwrap_or_else(|| "default".to_owned()),
            node: spec.and_then(|s| s.node_name.clone()).unwrap_or_default(),
            labels,
            ports,
        }
    }

    /// Whether the pod's proxy takes mutual TLS (label written by injection).
    pub(crate) fn takes_mutual_tls(&self) -> bool {
        self.labels
            .get("security.istio.io/tlsMode")
            .is_some_and(|mode| mode == "istio")
    }

    /// Istio's description of the workload in endpoint metadata.
    pub(crate) fn description(&self, cluster: &str) -> String {
        let label = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| self.labels.get(*name))
                .cloned()
        };
        let name = label(&[
            "service.istio.io/canonical-name",
            "app.kubernetes.io/name",
            "app",
        ])
        .unwrap_or_else(|| self.owner.clone());
        let revision = label(&[
            "service.istio.io/canonical-revision",
            "app.kubernetes.io/version",
            "version",
        ])
        .unwrap_or_else(|| "latest".to_owned());
        format!(
            "{};{};{name};{revision};{cluster}",
            self.owner, self.key.namespace
        )
    }
}

/// A ReplicaSet made by a Deployment is named after it, with the pod template's hash behind.
fn owner(pod: &core::Pod, labels: &Labels) -> Option<String> {
    let owners = pod.metadata.owner_references.as_ref()?;
    let owner = owners
        .iter()
        .find(|o| o.controller == Some(true))
        .or(owners.first())?;
    let deployment = labels
        .get("pod-template-hash")
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    Some(deployment.unwrap_or(&owner.name).to_owned())
}
