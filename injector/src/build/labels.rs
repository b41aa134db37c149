//! Labels and annotations of an injected pod.

use std::collections::BTreeMap;

use super::{Input, init_container};
use crate::annotations::{
    EXCLUDE_INBOUND_PORTS, EXCLUDE_INTERFACES, EXCLUDE_OUTBOUND_PORTS, EXCLUDE_OUTBOUND_RANGES,
    INCLUDE_INBOUND_PORTS, INCLUDE_OUTBOUND_PORTS, INCLUDE_OUTBOUND_RANGES, INTERCEPTION_MODE,
    KUBEVIRT_INTERFACES, MULTUS_NETWORKS, REROUTE_INTERFACES,
};

const TLS_MODE: &str = "security.istio.io/tlsMode";
const TUNNEL: &str = "networking.istio.io/tunnel";
const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
const DEFAULT_LOGS_CONTAINER: &str = "kubectl.kubernetes.io/default-logs-container";
/// Kubernetes' bound on a label's value.
const MAX_LABEL: usize = 63;

/// The canonical service's name and revision, by which telemetry groups pods.
pub(super) fn canonical(input: &Input<'_>) -> BTreeMap<String, String> {
    let first = |keys: &[&str], default: &str| {
        let label = keys.iter().find_map(|k| input.labels.get(*k));
        label
            .filter(|l| !l.is_empty())
            .map_or(default, String::as_str)
            .to_owned()
    };
    let mut name = first(
        &[CANONICAL_NAME, "app.kubernetes.io/name", "app"],
        &input.context.workload.name,
    );
    name = name.chars().take(MAX_LABEL).collect();
    let revision = first(
        &[CANONICAL_REVISION, "app.kubernetes.io/version", "version"],
        "latest",
    );
    BTreeMap::from([
        (
            CANONICAL_NAME.to_owned(),
            name.trim_end_matches(['-', '.', '_']).to_owned(),
        ),
        (CANONICAL_REVISION.to_owned(), revision),
    ])
}

pub(super) fn revision(input: &Input<'_>) -> BTreeMap<String, String> {
    let revision = input.settings.revision().to_owned();
    BTreeMap::from([("istio.io/rev".to_owned(), revision)])
}

pub(super) fn sidecar_labels(input: &Input<'_>) -> BTreeMap<String, String> {
    let mut labels = canonical(input);
    let mut keep = |key: &str, default: &str| {
        let own = input.labels.get(key).filter(|l| !l.is_empty());
        let value = own.map_or(default, String::as_str);
        labels.insert(key.to_owned(), value.to_owned());
    };
    keep(TLS_MODE, "istio");
    let metadata = input.proxy_config.metadata();
    if metadata.contains(&("ISTIO_META_ENABLE_HBONE", "true")) {
        keep(TUNNEL, "http");
    }
    labels
}

/// kubectl takes the application's container where the user names none.
pub(super) fn default_container(input: &Input<'_>) -> BTreeMap<String, String> {
    let containers = input.app_containers();
    let Some(first) = containers.first() else {
        return BTreeMap::new();
    };
    [DEFAULT_CONTAINER, DEFAULT_LOGS_CONTAINER]
        .into_iter()
        .filter(|key| !input.annotations.has(key))
        .map(|key| (key.to_owned(), (*first).to_owned()))
        .collect()
}

pub(super) fn sidecar_annotations(input: &Input<'_>) -> BTreeMap<String, String> {
    let mut annotations = revision(input);
    annotations.extend(default_container(input));
    if input.settings.values.pilot.cni.enabled {
        annotations.extend(for_the_cni_plugin(input));
    }
    annotations
}

/// A CNI plugin sees the pod's annotations alone: everything that the init container would get as
/// arguments is written there.
fn for_the_cni_plugin(input: &Input<'_>) -> BTreeMap<String, String> {
    let proxy = &input.settings.values.global.proxy;
    let excluded = init_container::excluded_inbound_ports(input);
    let values = [
        (INTERCEPTION_MODE, input.interception().as_str()),
        (INCLUDE_OUTBOUND_RANGES, proxy.include_ip_ranges.as_str()),
        (EXCLUDE_OUTBOUND_RANGES, proxy.exclude_ip_ranges.as_str()),
        (INCLUDE_INBOUND_PORTS, proxy.include_inbound_ports.as_str()),
        (
            INCLUDE_OUTBOUND_PORTS,
            proxy.include_outbound_ports.as_str(),
        ),
        (
            EXCLUDE_OUTBOUND_PORTS,
            proxy.exclude_outbound_ports.as_str(),
        ),
        (KUBEVIRT_INTERFACES, ""),
        (REROUTE_INTERFACES, ""),
        (EXCLUDE_INTERFACES, ""),
    ];
    let mut annotations: BTreeMap<String, String> = values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), input.annotation_or(key, value).to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    annotations.insert(EXCLUDE_INBOUND_PORTS.to_owned(), excluded);
    if input.settings.values.pilot.cni.provider == "multus" {
        let networks = with_network(input.annotations.get(MULTUS_NETWORKS));
        annotations.insert(MULTUS_NETWORKS.to_owned(), networks);
    }
    annotations
}

/// Adds the mesh's network to a list in Multus' two forms: names, or JSON objects.
fn with_network(existing: Option<&str>) -> String {
    const NETWORK: &str = "default/istio-cni";
    let existing = existing.unwrap_or_default().trim();
    if existing.is_empty() {
        return NETWORK.to_owned();
    }
    if let Some(list) = existing.strip_suffix(']') {
        let list = list.trim_end();
        let comma = if list.ends_with('[') { "" } else { "," };
        return format!(r#"{list}{comma} {{"name": "istio-cni", "namespace": "default"}}]"#);
    }
    if existing.split(',').any(|name| name.trim() == NETWORK) {
        return existing.to_owned();
    }
    format!("{existing}, {NETWORK}")
}

#[cfg(test)]
mod tests {
    use super::with_network;

    #[test]
    fn the_meshs_network_is_added_to_lists_of_both_forms_once() {
        assert_eq!(with_network(None), "default/istio-cni");
        assert_eq!(with_network(Some("a")), "a, default/istio-cni");
        assert_eq!(
            with_network(Some("a, default/istio-cni")),
            "a, default/istio-cni"
        );
        assert_eq!(
            with_network(Some(r#"[{"name": "a"}]"#)),
            r#"[{"name": "a"}, {"name": "istio-cni", "namespace": "default"}]"#
        );
    }
}
