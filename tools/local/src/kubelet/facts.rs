//! What a pod may ask about itself: `fieldRef` and `resourceFieldRef`, in variables and downward volumes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::quantity;
use crate::object::{labels, name, namespace, strings, text, uid};

/// A pod with what only the node knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The pod object.
    pub pod: &'a Value,
    /// Its address.
    pub pod_ip: &'a str,
    /// The node's address.
    pub host_ip: &'a str,
    /// The node's name.
    pub node: &'a str,
}

impl Facts<'_> {
    /// The pod's host name: `spec.hostname`, else its name cut to 63 characters.
    pub fn hostname(&self) -> String {
        let given = text(self.pod, "/spec/hostname");
        let full = if given.is_empty() {
            name(self.pod)
        } else {
            given
        };
        full.chars().take(63).collect()
    }

    /// The value at a `fieldPath`; None for paths that pods do not have.
    pub fn field(&self, path: &str) -> Option<String> {
        let pod = self.pod;
        let subscripted = |prefix: &str| {
            path.strip_prefix(prefix)?
                .strip_prefix("['")?
                .strip_suffix("']")
        };
        if let Some(key) = subscripted("metadata.labels") {
            return Some(labels(pod).remove(key).unwrap_or_default());
        }
        if let Some(key) = subscripted("metadata.annotations") {
            let mut annotations = strings(pod, "/metadata/annotations");
            return Some(annotations.remove(key).unwrap_or_default());
        }
        Some(match path {
            "metadata.name" => name(pod).to_owned(),
            "metadata.namespace" => namespace(pod).to_owned(),
            "metadata.uid" => uid(pod).to_owned(),
            "metadata.labels" => quoted(&labels(pod)),
            "metadata.annotations" => quoted(&strings(pod, "/metadata/annotations")),
            "spec.nodeName" => self.node.to_owned(),
            "spec.serviceAccountName" => service_account(pod).to_owned(),
            "status.podIP" | "status.podIPs" => self.pod_ip.to_owned(),
            "status.hostIP" | "status.hostIPs" => self.host_ip.to_owned(),
            _ => return None,
        })
    }

    /// The value of a `resourceFieldRef` for `container`, divided and rounded up as Kubernetes does. A
    /// limit that is not set is what the machine has.
    pub fn resource(&self, container: &Value, reference: &Value) -> Option<String> {
        let resource = text(reference, "/resource");
        let (kind, name) = resource.split_once('.')?;
        if !matches!(kind, "limits" | "requests") {
            return None;
        }
        let declared = container
            .pointer(&format!("/resources/{kind}/{name}"))
            .or_else(|| {
                // A request that is absent follows the limit.
                (kind == "requests")
                    .then(|| container.pointer(&format!("/resources/limits/{name}")))
                    .flatten()
            })
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
        let milli = match declared {
            Some(text) => quantity::milli(&text)?,
            None if kind == "requests" => 0,
            None => match name {
                "cpu" => machine_cpus() * 1000,
                "memory" => machine_memory() * 1000,
                _ => 0,
            },
        };
        let divisor = match text(reference, "/divisor") {
            "" | "0" => 1000,
            text => quantity::milli(text)?.max(1),
        };
        Some(((milli + divisor - 1) / divisor).to_string())
    }
}

/// The service account a pod runs as.
pub fn service_account(pod: &Value) -> &str {
    match text(pod, "/spec/serviceAccountName") {
        "" => match text(pod, "/spec/serviceAccount") {
            "" => "default",
            name => name,
        },
        name => name,
    }
}

/// A map in a downward volume's file: `key="value"` lines in key order.
fn quoted(map: &BTreeMap<String, String>) -> String {
    map.iter()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn machine_cpus() -> i128 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as i128)
}

fn machine_memory() -> i128 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<i128>().ok()
        })
        .map_or(0, |kib| kib * 1024)
}
