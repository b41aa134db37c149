//! What a pod is given and refused for, whatever the webhooks say. Pure.

use serde_json::{Value, json};

use crate::kubelet::facts::service_account;
use crate::object::{as_map, child, list, name, text};

/// Kubernetes' defaults, but for the node.
pub(super) fn defaults(pod: &mut Value) {
    let account = service_account(pod).to_owned();
    let spec = child(pod, "spec");
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("schedulerName", json!("default-scheduler")),
        ("serviceAccountName", json!(account)),
        ("serviceAccount", json!(account)),
        ("securityContext", json!({})),
        ("enableServiceLinks", json!(true)),
    ] {
        spec.entry(field).or_insert(value);
    }
    for field in ["initContainers", "containers"] {
        let Some(Value::Array(containers)) = spec.get_mut(field) else {
            continue;
        };
        for container in containers {
            let container = as_map(container);
            container
                .entry("terminationMessagePath")
                .or_insert(json!("/dev/termination-log"));
            let resources = as_map(container.entry("resources").or_insert(json!({})));
            // A request that is absent is its limit.
            if let Some(Value::Object(limits)) = resources.get("limits").cloned() {
                let requests = as_map(resources.entry("requests").or_insert(json!({})));
                for (resource, limit) in limits {
                    requests.entry(resource).or_insert(limit);
                }
            }
            if let Some(Value::Array(ports)) = container.get_mut("ports") {
                for port in ports {
                    as_map(port).entry("protocol").or_insert(json!("TCP"));
                }
            }
        }
    }
    let mut status = json!({"phase": "Pending", "conditions": []});
    if let Some(given) = pod.get("status").filter(|status| status.is_object()) {
        status = given.clone();
    }
    as_map(pod).insert("status".to_owned(), status);
}

/// What would make the kubelet stumble: names that become directories, containers without an image.
pub(super) fn check(pod: &Value) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    if list(pod, "/spec/containers").is_empty() {
        return Err(format!(
            "Pod {:?} is invalid: spec.containers: Required value",
            name(pod)
        ));
    }
    for (field, container) in ["initContainers", "containers"].iter().flat_map(|field| {
        list(pod, &format!("/spec/{field}"))
            .iter()
            .map(move |c| (field, c))
    }) {
        let container_name = text(container, "/name");
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if container_name.is_empty()
            || container_name.len() > 63
            || !container_name.chars().all(label)
        {
            return Err(format!(
                "Pod {:?} is invalid: spec.{field}.name: Invalid value: {container_name:?}: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'",
                name(pod)
            ));
        }
        if !seen.insert(container_name) {
            return Err(format!(
                "Pod {:?} is invalid: spec.{field}.name: Duplicate value: {container_name:?}",
                name(pod)
            ));
        }
        if text(container, "/image").is_empty() {
            return Err(format!(
                "Pod {:?} is invalid: spec.{field}.image: Required value (container {container_name:?})",
                name(pod)
            ));
        }
    }
    Ok(())
}
