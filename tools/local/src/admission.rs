//! What happens to a pod before it is stored: the sidecar, then the defaults. Pure.

use serde_json::{Value, json};

use crate::kubelet::facts::service_account;
use crate::object::{Key, as_map, child, labels, list, name, namespace, text};
use crate::store::View;

/// How pods are admitted.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// The injector's settings.
    pub injector: injector::Settings,
}

/// The pod as it is stored: injected when its namespace and labels ask for it, with Kubernetes' defaults.
///
/// # Errors
/// Why the pod is refused, as an admission webhook would say it.
pub fn admit(pod: &Value, view: &View, node: &str, admission: &Admission) -> Result<Value, String> {
    let ns = namespace(pod);
    let account = service_account(pod);
    if view
        .get(&Key::core("ServiceAccount", ns, account))
        .is_none()
    {
        return Err(format!(
            "pods {:?} is forbidden: error looking up service account {ns}/{account}: serviceaccount {account:?} not found",
            name(pod)
        ));
    }
    let namespace_labels = view
        .get(&Key::core("Namespace", "", ns))
        .map(|namespace| labels(namespace))
        .unwrap_or_default();
    let of = injector::Namespace {
        name: ns,
        labels: &namespace_labels,
    };
    let mut pod = match injector::decide(&of, pod, &admission.injector) {
        injector::Decision::Inject => {
            for vain in injector::annotations_without_effect(pod) {
                tracing::warn!("pod {ns}/{}: {vain}", name(pod));
            }
            let context = injector::PodContext::of_pod(ns, pod);
            injector::inject(pod, &context, &admission.injector)
                .map_err(|error| format!("sidecar injection of pod {ns}/{}: {error}", name(pod)))?
        }
        injector::Decision::Skip(_) => pod.clone(),
    };
    defaults(&mut pod, node);
    check(&pod)?;
    Ok(pod)
}

fn defaults(pod: &mut Value, node: &str) {
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
        ("nodeName", json!(node)),
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
fn check(pod: &Value) -> Result<(), String> {
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
