//! What is kept of an object: what the pilot reads and no more. Managed fields alone are half of many
//! objects, and a cluster has tens of thousands of pods. What is left out cannot make an object differ
//! either: a heartbeat or a new resource version goes no further than this.

use serde_json::{Map, Value};

/// Of the metadata, of any kind.
const METADATA: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "generation",
    "labels",
    "name",
    "namespace",
    "uid",
];
/// A whole copy of the object, which kubectl keeps in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The keys of secrets that hold certificates, as Istio names them.
const CERTIFICATES: &[&str] = &[
    "ca.crl", "ca.crt", "cacert", "cert", "crl", "key", "tls.crt", "tls.key",
];

/// Leaves in an object what is read of its kind. Whether there is anything left to read: a secret
/// that holds no certificate does not interest the mesh.
pub(super) fn slim(kind: &str, value: &mut Value) -> bool {
    let Some(object) = value.as_object_mut() else {
        return true;
    };
    object.remove("managedFields");
    match kind {
        "Pod" => {
            keep(
                object,
                &["apiVersion", "kind", "metadata", "spec", "status"],
            );
            within(object, "spec", |spec| {
                keep(
                    spec,
                    &[
                        "containers",
                        "hostNetwork",
                        "nodeName",
                        "serviceAccountName",
                    ],
                );
                each(spec, "containers", |container| {
                    keep(container, &["name", "ports"]);
                });
            });
            within(object, "status", |status| {
                keep(status, &["phase", "podIP", "podIPs"]);
            });
            within(object, "metadata", |metadata| {
                // Both name a pod's creation or are notes of others: of no use to the mesh.
                for field in ["annotations", "generation"] {
                    metadata.remove(field);
                }
                keep_with_owner(metadata);
                each(metadata, "ownerReferences", |owner| {
                    keep(owner, &["apiVersion", "controller", "kind", "name", "uid"]);
                });
            });
            return true;
        }
        "Namespace" | "Node" => {
            keep(object, &["apiVersion", "kind", "metadata"]);
            within(object, "metadata", |metadata| {
                metadata.remove("annotations");
            });
        }
        "Secret" => {
            keep(object, &["apiVersion", "data", "kind", "metadata", "type"]);
            within(object, "metadata", |metadata| {
                metadata.remove("annotations");
            });
            within(object, "data", |data| keep(data, CERTIFICATES));
            let holds = |data: &Value| data.as_object().is_none_or(|data| !data.is_empty());
            if !object.get("data").is_some_and(holds) {
                return false;
            }
        }
        "EndpointSlice" => within(object, "metadata", |metadata| {
            for field in ["annotations", "generation"] {
                metadata.remove(field);
            }
        }),
        "ConfigMap" | "Service" => {}
        // Istio's kinds: their status is written by control planes and read by people.
        _ => {
            object.remove("status");
        }
    }
    within(object, "metadata", |metadata| keep(metadata, METADATA));
    within(object, "metadata", |metadata| {
        within(metadata, "annotations", |annotations| {
            annotations.remove(LAST_APPLIED);
        });
    });
    true
}

/// The same value in no more memory than it needs: what was taken out of a map leaves its room behind.
pub(super) fn compact(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, compact(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(compact).collect()),
        Value::String(mut text) => {
            text.shrink_to_fit();
            Value::String(text)
        }
        other => other,
    }
}

fn keep_with_owner(metadata: &mut Map<String, Value>) {
    metadata.retain(|name, _| name == "ownerReferences" || METADATA.contains(&name.as_str()));
}

fn keep(object: &mut Map<String, Value>, names: &[&str]) {
    object.retain(|name, _| names.contains(&name.as_str()));
}

/// What is no object stays as it is: it is for the parser to say what is wrong with it.
fn within(
    object: &mut Map<String, Value>,
    name: &str,
    change: impl FnOnce(&mut Map<String, Value>),
) {
    if let Some(Value::Object(inner)) = object.get_mut(name) {
        change(inner);
    }
}

fn each(
    object: &mut Map<String, Value>,
    name: &str,
    mut change: impl FnMut(&mut Map<String, Value>),
) {
    let Some(Value::Array(items)) = object.get_mut(name) else {
        return;
    };
    for item in items {
        if let Value::Object(item) = item {
            change(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slimmed(kind: &str, mut value: Value) -> Option<Value> {
        slim(kind, &mut value).then_some(value)
    }

    #[test]
    fn of_a_pod_its_addresses_ports_labels_and_owner_are_left() {
        let pod = json!({
            "metadata": {
                "name": "a", "namespace": "b", "labels": {"app": "a"}, "resourceVersion": "7",
                "managedFields": [{"manager": "kubelet"}], "annotations": {"x": "y"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "a-1", "controller": true, "blockOwnerDeletion": true}],
            },
            "spec": {
                "nodeName": "n", "serviceAccountName": "s", "volumes": [{"name": "v"}],
                "containers": [{"name": "c", "image": "i", "env": [{"name": "E"}], "ports": [{"containerPort": 80}]}],
            },
            "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready"}]},
        });
        let left = json!({
            "metadata": {
                "name": "a", "namespace": "b", "labels": {"app": "a"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "a-1", "controller": true}],
            },
            "spec": {
                "nodeName": "n", "serviceAccountName": "s",
                "containers": [{"name": "c", "ports": [{"containerPort": 80}]}],
            },
            "status": {"phase": "Running", "podIP": "10.0.0.1"},
        });
        assert_eq!(slimmed("Pod", pod), Some(left));
    }

    #[test]
    fn a_nodes_heartbeat_changes_nothing() {
        let node = |version: &str, time: &str| {
            json!({
                "metadata": {"name": "n", "resourceVersion": version, "labels": {"topology.kubernetes.io/zone": "z"}},
                "status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": time}]},
            })
        };
        assert_eq!(
            slimmed("Node", node("1", "10:00")),
            slimmed("Node", node("2", "10:01"))
        );
    }

    #[test]
    fn a_secret_without_a_certificate_is_left_out_and_one_with_it_keeps_nothing_else() {
        let secret =
            |data: Value| slimmed("Secret", json!({"metadata": {"name": "s"}, "data": data}));
        assert_eq!(secret(json!({"password": "eA=="})), None);
        assert_eq!(slimmed("Secret", json!({"metadata": {"name": "s"}})), None);
        assert_eq!(
            secret(json!({"tls.crt": "eA==", "password": "eA=="})),
            Some(json!({"metadata": {"name": "s"}, "data": {"tls.crt": "eA=="}}))
        );
    }

    #[test]
    fn an_istio_object_keeps_its_spec_and_loses_its_status() {
        let object = json!({
            "metadata": {"name": "v", "finalizers": ["x"], "annotations": {LAST_APPLIED: "{}", "note": "n"}},
            "spec": {"hosts": ["a"]}, "status": {"conditions": []},
        });
        let left = json!({
            "metadata": {"name": "v", "annotations": {"note": "n"}},
            "spec": {"hosts": ["a"]},
        });
        assert_eq!(slimmed("VirtualService", object), Some(left));
    }

    #[test]
    fn what_is_made_compact_is_the_same() {
        let value = json!({"a": [1, "two", {"b": null}], "c": {"d": [[]], "e": 1.5}});
        assert_eq!(compact(value.clone()), value);
    }

    #[test]
    fn garbage_is_left_as_it_is() {
        for kind in ["Pod", "Secret", "Node", "Gateway"] {
            for garbage in [json!(null), json!(7), json!([1])] {
                assert_eq!(slimmed(kind, garbage.clone()), Some(garbage));
            }
        }
        let garbage = json!({"metadata": 1, "spec": [], "status": "x"});
        assert_eq!(slimmed("Pod", garbage.clone()), Some(garbage));
    }
}
