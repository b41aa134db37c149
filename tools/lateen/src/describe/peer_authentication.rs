//! Which TLS a pod takes.

use std::collections::BTreeMap;

use local::object::selector::Selector;
use local::object::{labels, name, namespace, strings, text};
use resources::mesh_config::MeshConfig;
use serde_json::Value;

use super::page::Page;
use crate::cluster::Cluster;
use crate::failure::Failure;

/// The ConfigMap with the mesh's configuration, and its key.
const CONFIG: (&str, &str) = ("istio", "mesh");

pub(super) async fn of_pod(
    page: &mut Page,
    cluster: &dyn Cluster,
    istio_namespace: &str,
    pod: &Value,
) -> Result<(), Failure> {
    let root = root_namespace(cluster, istio_namespace).await?;
    let within = namespace(pod);
    let kind = "peerauthentications";
    let mut all = cluster.list(kind, Some(&root), None).await?;
    if within != root {
        all.extend(cluster.list(kind, Some(within), None).await?);
    }
    describe(page, &all, &root, &labels(pod));
    Ok(())
}

/// The namespace whose policies are the mesh's.
async fn root_namespace(cluster: &dyn Cluster, istio_namespace: &str) -> Result<String, Failure> {
    let map = cluster
        .find("configmaps", istio_namespace, CONFIG.0)
        .await?;
    let text = map.as_ref().map(|map| strings(map, "/data"));
    let text = text.and_then(|mut data| data.remove(CONFIG.1));
    let config = match text {
        None => MeshConfig::default(),
        Some(text) => {
            let (config, _) = MeshConfig::from_yaml(&text, "ConfigMap istio, key mesh")
                .map_err(|problem| Failure::error(problem.to_string()))?;
            config
        }
    };
    Ok(config.root_namespace)
}

/// What holds for a pod of these policies, which are of the root namespace and the pod's own.
pub(super) fn describe(
    page: &mut Page,
    policies: &[Value],
    root: &str,
    pod: &BTreeMap<String, String>,
) {
    let applied: Vec<&Value> = policies
        .iter()
        .filter(|policy| Selector::exact(&selector(policy)).matches(pod))
        .collect();
    let (mode, ports) = effective(&applied, root);
    page.line(0, "Effective PeerAuthentication:");
    page.line(3, format!("Workload mTLS mode: {mode}"));
    if !ports.is_empty() {
        page.line(3, "Port Level mTLS mode:");
        for (port, mode) in &ports {
            page.line(6, format!("{port}: {mode}"));
        }
    }
    if !applied.is_empty() {
        let names = applied
            .iter()
            .map(|policy| format!("{}.{}", name(policy), namespace(policy)));
        page.line(0, "Applied PeerAuthentication:");
        page.line(3, names.collect::<Vec<_>>().join(", "));
    }
}

fn selector(policy: &Value) -> BTreeMap<String, String> {
    strings(policy, "/spec/selector/matchLabels")
}

/// The mode of a pod, and those of its ports: the workload's policy before the namespace's before the mesh's, of several the
/// oldest.
fn effective(applied: &[&Value], root: &str) -> (String, BTreeMap<u64, String>) {
    let oldest = |wanted: &dyn Fn(&Value) -> bool| {
        let all = applied.iter().copied().filter(|policy| wanted(policy));
        all.min_by_key(|policy| text(policy, "/metadata/creationTimestamp"))
    };
    let is_root = |policy: &Value| namespace(policy) == root;
    let for_all = |policy: &Value| selector(policy).is_empty();
    let workload = oldest(&|policy| !for_all(policy) && !is_root(policy));
    let by_scope = [
        workload,
        oldest(&|policy| for_all(policy) && !is_root(policy)),
        oldest(&|policy| for_all(policy) && is_root(policy)),
    ];
    let mode = by_scope
        .into_iter()
        .flatten()
        .find_map(|policy| mode(policy.pointer("/spec/mtls")))
        .unwrap_or("PERMISSIVE");
    let ports = workload.and_then(|policy| policy.pointer("/spec/portLevelMtls")?.as_object());
    let ports = ports
        .into_iter()
        .flatten()
        .filter_map(|(port, mtls)| {
            let mode = self::mode(Some(mtls)).unwrap_or(mode);
            Some((port.parse().ok()?, mode.to_owned()))
        })
        .collect();
    (mode.to_owned(), ports)
}

/// The mode, where one is set.
fn mode(mtls: Option<&Value>) -> Option<&str> {
    match text(mtls?, "/mode") {
        "" | "UNSET" => None,
        mode => Some(mode),
    }
}
