//! EndpointSlices: which pods a Service means, at which addresses and ports, and whether they are ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Action;
use super::replicaset::is_ready;
use super::template::short_hash;
use crate::object::selector::Selector;
use crate::object::{
    Key, controller_reference, is_terminating, labels, list, name, strings, text, uid,
};
use crate::store::View;

/// The label that ties a slice to its Service.
pub const SERVICE_LABEL: &str = "kubernetes.io/service-name";
const MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGED_BY: &str = "endpointslice-controller.k8s.io";

/// The slices that differ from what Services and Pods say.
pub fn reconcile(view: &View, node: &str) -> Vec<Action> {
    let mut wanted: BTreeMap<Key, Value> = BTreeMap::new();
    for (_, service) in view.of_kind("", "Service") {
        for slice in slices(view, service, node) {
            wanted.extend(Key::of(&slice).map(|key| (key, slice)));
        }
    }
    let mut actions = Vec::new();
    for (key, slice) in view.of_kind("discovery.k8s.io", "EndpointSlice") {
        let ours = labels(slice).get(MANAGED_BY_LABEL).map(String::as_str) == Some(MANAGED_BY);
        if ours && !wanted.contains_key(key) {
            actions.push(Action::Delete(key.clone()));
        }
    }
    for (key, slice) in wanted {
        let same = view.get(&key).is_some_and(|there| {
            ["ports", "endpoints", "addressType"]
                .iter()
                .all(|field| there.get(field) == slice.get(field))
                && there.pointer("/metadata/labels") == slice.pointer("/metadata/labels")
        });
        if !same {
            actions.push(Action::Put(slice));
        }
    }
    actions
}

/// The slices of one Service: one for every way in which its target ports resolve, which is one unless
/// named ports differ between pods.
fn slices(view: &View, service: &Value, node: &str) -> Vec<Value> {
    let selector = strings(service, "/spec/selector");
    if selector.is_empty() || text(service, "/spec/type") == "ExternalName" {
        return vec![];
    }
    let selector = Selector::exact(&selector);
    let not_ready_too = service
        .pointer("/spec/publishNotReadyAddresses")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let mut groups: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    let pods = view.of_kind("", "Pod").filter(|(key, pod)| {
        key.namespace == crate::object::namespace(service)
            && selector.matches(&labels(pod))
            && !text(pod, "/status/podIP").is_empty()
            && !matches!(text(pod, "/status/phase"), "Failed" | "Succeeded")
    });
    for (_, pod) in pods {
        let ports = ports(service, pod);
        let group = groups
            .entry(ports.to_string())
            .or_insert_with(|| (ports, vec![]));
        group.1.push(endpoint(pod, node, not_ready_too));
    }
    if groups.is_empty() {
        groups.insert(String::new(), (json!([]), vec![]));
    }
    groups
        .into_values()
        .enumerate()
        .map(|(index, (ports, endpoints))| {
            let mut labels = labels(service);
            labels.insert(SERVICE_LABEL.to_owned(), name(service).to_owned());
            labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
            if text(service, "/spec/clusterIP") == "None" {
                labels.insert("service.kubernetes.io/headless".to_owned(), String::new());
            }
            let suffix = short_hash(&format!("{}{index}", uid(service)));
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": format!("{}-{suffix}", name(service)),
                    "generateName": format!("{}-", name(service)),
                    "namespace": crate::object::namespace(service),
                    "labels": labels,
                    "ownerReferences": [controller_reference(service)],
                },
                "addressType": "IPv4",
                "ports": ports,
                "endpoints": endpoints,
            })
        })
        .collect()
}

fn endpoint(pod: &Arc<Value>, node: &str, not_ready_too: bool) -> Value {
    let terminating = is_terminating(pod);
    let serving = is_ready(pod);
    json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {
            "ready": not_ready_too || serving && !terminating,
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": node,
        "targetRef": {
            "kind": "Pod",
            "name": name(pod),
            "namespace": crate::object::namespace(pod),
            "uid": uid(pod),
        },
    })
}

fn ports(service: &Value, pod: &Value) -> Value {
    list(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let mut made = json!({
                "name": text(port, "/name"),
                "port": target_port(port, pod)?,
                "protocol": match text(port, "/protocol") { "" => "TCP", given => given },
            });
            if let Some(protocol) = port.get("appProtocol") {
                crate::object::as_map(&mut made).insert("appProtocol".to_owned(), protocol.clone());
            }
            Some(made)
        })
        .collect()
}

/// The port of the pod that a Service's port means: `targetPort` as number, as the name of a container's
/// port, or the same as `port`.
pub fn target_port(port: &Value, pod: &Value) -> Option<u16> {
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
    match port.get("targetPort") {
        None | Some(Value::Null) => number(port.get("port")?),
        Some(Value::String(name)) => {
            let protocol = match text(port, "/protocol") {
                "" => "TCP",
                given => given,
            };
            // Native sidecars are init containers and have ports too.
            ["/spec/containers", "/spec/initContainers"]
                .iter()
                .flat_map(|pointer| list(pod, pointer))
                .flat_map(|container| list(container, "/ports"))
                .find(|declared| {
                    text(declared, "/name") == name
                        && matches!(text(declared, "/protocol"), p if p == protocol || p.is_empty() && protocol == "TCP")
                })
                .and_then(|declared| number(declared.get("containerPort")?))
        }
        Some(value) => number(value),
    }
}
