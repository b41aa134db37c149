//! Which kinds of object hold a pod, and where.

use serde_json::Value;

/// Where an object keeps its pod: metadata and spec, as JSON pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PodPlace {
    pub(crate) metadata: &'static str,
    pub(crate) spec: &'static str,
}

const TEMPLATE: PodPlace = PodPlace {
    metadata: "/spec/template/metadata",
    spec: "/spec/template/spec",
};

/// The place of the pod in an object, or `None` for kinds without one.
pub(crate) fn pod_place(object: &Value) -> Option<PodPlace> {
    let kind = object.get("kind").and_then(Value::as_str)?;
    match kind {
        "Pod" => Some(PodPlace {
            metadata: "/metadata",
            spec: "/spec",
        }),
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job"
        | "DeploymentConfig" => object.pointer(TEMPLATE.spec).is_some().then_some(TEMPLATE),
        "CronJob" => cron_job(object),
        _ => None,
    }
}

/// Istio writes the metadata of a CronJob's pods to the Job's template. So does this, unless the
/// pod's template has labels or annotations of its own, which would otherwise go unheard.
fn cron_job(object: &Value) -> Option<PodPlace> {
    const POD: PodPlace = PodPlace {
        metadata: "/spec/jobTemplate/spec/template/metadata",
        spec: "/spec/jobTemplate/spec/template/spec",
    };
    object.pointer(POD.spec)?;
    let metadata = object.pointer(POD.metadata).and_then(Value::as_object);
    if metadata.is_some_and(|m| m.contains_key("labels") || m.contains_key("annotations")) {
        return Some(POD);
    }
    Some(PodPlace {
        metadata: "/spec/jobTemplate/metadata",
        ..POD
    })
}

/// The numbers of a status that Istio's `kube-inject` writes out, as Go's types of these kinds have them.
fn counts(kind: &str) -> &'static [&'static str] {
    match kind {
        "DaemonSet" => &[
            "currentNumberScheduled",
            "desiredNumberScheduled",
            "numberMisscheduled",
            "numberReady",
        ],
        "StatefulSet" => &["availableReplicas", "replicas"],
        "ReplicaSet" | "ReplicationController" => &["replicas"],
        "DeploymentConfig" => &[
            "availableReplicas",
            "latestVersion",
            "observedGeneration",
            "replicas",
            "unavailableReplicas",
            "updatedReplicas",
        ],
        _ => &[],
    }
}

/// Gives the object the form in which Istio's `kube-inject` prints its kind, which reads it into Go's types and writes
/// these: counts of the status that it lacks are zero; of a DeploymentConfig `minReadySeconds` and `paused` that say nothing
/// are left out, and `test` is said.
pub(crate) fn in_istios_form(object: &mut Value) {
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (counts, is_deployment_config) = (counts(kind), kind == "DeploymentConfig");
    let Some(fields) = object.as_object_mut().filter(|_| !counts.is_empty()) else {
        return;
    };
    let status = fields
        .entry("status")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    if let Value::Object(status) = status {
        for count in counts {
            status.entry(*count).or_insert_with(|| Value::from(0));
        }
    }
    if let (true, Some(Value::Object(spec))) = (is_deployment_config, fields.get_mut("spec")) {
        for (field, nothing) in [
            ("minReadySeconds", Value::from(0)),
            ("paused", false.into()),
        ] {
            if spec.get(field) == Some(&nothing) {
                spec.shift_remove(field);
            }
        }
        spec.entry("test").or_insert(false.into());
    }
}

/// Takes the pod out of an object, as an object with `metadata` and `spec`.
pub(crate) fn take(object: &mut Value, place: PodPlace) -> Value {
    let mut part = |pointer| object.pointer_mut(pointer).map(Value::take);
    let mut pod = serde_json::Map::new();
    for (key, value) in [
        ("metadata", part(place.metadata)),
        ("spec", part(place.spec)),
    ] {
        if let Some(value) = value.filter(|v| !v.is_null()) {
            pod.insert(key.to_owned(), value);
        }
    }
    pod.into()
}

/// Puts a pod back into its place.
pub(crate) fn put(object: &mut Value, place: PodPlace, mut pod: Value) {
    for (pointer, key) in [(place.metadata, "metadata"), (place.spec, "spec")] {
        let Some(part) = pod.get_mut(key).map(Value::take) else {
            continue;
        };
        if let Some(slot) = object.pointer_mut(pointer) {
            *slot = part;
        } else if let Some((parent, leaf)) = pointer.rsplit_once('/')
            && let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            // Metadata stands before spec, where readers look for it.
            parent.shift_insert(0, leaf.to_owned(), part);
        }
    }
}
