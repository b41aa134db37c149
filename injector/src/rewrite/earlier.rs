//! A pod that was injected before: what that injection added is told from the record it left, so
//! that injecting again gives the same pod and not a second proxy.

use serde_json::Value;

use crate::annotations::{OVERRIDES, STATUS};
use crate::pod::{self, Containers};

/// What an earlier injection added or changed, by the record in `sidecar.istio.io/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Earlier {
    injected: bool,
    containers: Vec<String>,
    init_containers: Vec<String>,
}

impl Earlier {
    /// A record that cannot be read counts as none: it was not written by an injector.
    pub(crate) fn of(pod: &Value) -> Self {
        let annotations = pod::strings(pod, "annotations");
        let Some(status) = annotations.get(STATUS) else {
            return Self::default();
        };
        let status: Value = serde_json::from_str(status).unwrap_or_default();
        let names = |list: Containers| {
            let names = status.get(list.field()).and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        };
        Self {
            injected: true,
            containers: names(Containers::App),
            init_containers: names(Containers::Init),
        }
    }

    /// Whether there was one.
    pub(crate) fn injected(&self) -> bool {
        self.injected
    }

    /// Whether it added the named container to the list.
    pub(crate) fn added(&self, list: Containers, name: &str) -> bool {
        let names = match list {
            Containers::App => &self.containers,
            Containers::Init => &self.init_containers,
        };
        names.iter().any(|n| n == name)
    }

    /// The pod as the user wrote it, as far as the record tells: containers taken out, those that
    /// the user had written put back as they were.
    pub(crate) fn undo(&self, pod: &Value, status_port: u16) -> Value {
        let mut pod = pod.clone();
        if !self.injected {
            return pod;
        }
        for list in Containers::BOTH {
            let names = match list {
                Containers::App => &self.containers,
                Containers::Init => &self.init_containers,
            };
            for name in names {
                pod::remove_container(&mut pod, list, name);
            }
            for container in user_containers(&pod, list) {
                pod::containers_mut(&mut pod, list).push(container);
            }
        }
        super::prometheus::forget(&mut pod, status_port);
        pod::remove_string(&mut pod, "annotations", STATUS);
        pod
    }
}

/// The containers that an earlier injection found in the pod and laid over its own.
pub(crate) fn user_containers(pod: &Value, list: Containers) -> Vec<Value> {
    let annotations = pod::strings(pod, "annotations");
    let record = annotations.get(OVERRIDES);
    let record: Value = record
        .and_then(|r| serde_json::from_str(r).ok())
        .unwrap_or_default();
    match record.get(list.field()) {
        Some(Value::Array(items)) => items
            .iter()
            .filter(|c| pod::name_of(c).is_some())
            .cloned()
            .collect(),
        _ => Vec::new(),
    }
}
