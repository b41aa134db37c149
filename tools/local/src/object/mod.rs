//! Kubernetes objects as the JSON they are: reading fields, naming objects, matching labels.

pub mod age;
pub mod kinds;
pub mod selector;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What identifies an object in the store. Versions of one API group hold the same objects, so the
/// group without the version is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, as written in `kind:`.
    pub kind: String,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl Key {
    /// The key of a core-group object.
    pub fn core(kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The key of an object of `group`.
    pub fn of_group(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            ..Self::core(kind, namespace, name)
        }
    }

    /// The key of `object`, None when it has no kind or no name.
    pub fn of(object: &Value) -> Option<Self> {
        let kind = text(object, "/kind");
        let name = name(object);
        if kind.is_empty() || name.is_empty() {
            return None;
        }
        Some(Self {
            group: group_of(text(object, "/apiVersion")).to_owned(),
            kind: kind.to_owned(),
            namespace: namespace(object).to_owned(),
            name: name.to_owned(),
        })
    }

    /// `pod/x`, `deployment.apps/x`: how kubectl names an object in what it prints.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource(), self.name)
    }

    /// `pod`, `deployment.apps`: the singular resource with its group.
    pub fn resource(&self) -> String {
        let singular = self.kind.to_ascii_lowercase();
        if self.group.is_empty() {
            singular
        } else {
            format!("{singular}.{}", self.group)
        }
    }

    /// `pods`, `deployments.apps`: as the API server names the resource in errors.
    pub fn plural_resource(&self) -> String {
        let plural = kinds::plural_of(&self.kind);
        if self.group.is_empty() {
            plural
        } else {
            format!("{plural}.{}", self.group)
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The API group in an `apiVersion`: `apps` of `apps/v1`, empty of `v1`.
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// As [`Value::pointer`] (RFC 6901), which makes a string of every step: controllers ask for a dozen fields of every
/// pod, often.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    let mut steps = pointer.split('/');
    // What is before the first slash: nothing.
    if !steps.next()?.is_empty() {
        return None;
    }
    steps.try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The string at JSON pointer `pointer`, empty when absent or not a string.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The integer at `pointer`.
pub fn integer(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).and_then(Value::as_i64)
}

/// The array at `pointer`, empty when absent.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The map of strings at `pointer`, in key order; values that are no strings are left out.
pub fn strings(value: &Value, pointer: &str) -> BTreeMap<String, String> {
    at(value, pointer)
        .and_then(Value::as_object)
        .map(|map| {
            map.iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        })
        .unwrap_or_default()
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// `metadata.namespace`, empty for cluster-scoped objects.
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// `metadata.uid`.
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// `metadata.labels`.
pub fn labels(object: &Value) -> BTreeMap<String, String> {
    strings(object, "/metadata/labels")
}

/// True once deletion was asked for and the object waits for its end.
pub fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// True when an owner reference of `object` that is a controller has this uid.
pub fn is_controlled_by(object: &Value, owner_uid: &str) -> bool {
    list(object, "/metadata/ownerReferences")
        .iter()
        .any(|owner| {
            text(owner, "/uid") == owner_uid
                && owner.get("controller").and_then(Value::as_bool) == Some(true)
        })
}

/// The owner reference that makes `owner` the controller of another object.
pub fn controller_reference(owner: &Value) -> Value {
    serde_json::json!({
        "apiVersion": text(owner, "/apiVersion"),
        "kind": text(owner, "/kind"),
        "name": name(owner),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Whether the condition `type_` in `status.conditions` is `True`.
pub fn has_condition(object: &Value, type_: &str) -> bool {
    list(object, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == type_ && text(condition, "/status") == "True")
}

/// The object at `field` of `value`, made when it is absent or of another type.
pub fn child<'a>(value: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let map = as_map(value);
    as_map(map.entry(field.to_owned()).or_insert(Value::Null))
}

/// `value` as an object; anything else is replaced by an empty one.
pub fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("an object since the line above"),
    }
}

/// Applies an RFC 7386 JSON merge patch: maps merge, null removes, everything else replaces.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let map = as_map(target);
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The same JSON with every map's keys sorted: one text for equal content.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(k, v)| (k, canonical(v))).collect();
            Value::Object(sorted.into_iter().map(|(k, v)| (k.clone(), v)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_named_as_kubectl_names_it() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x", "namespace": "default"}});
        let key = Key::of(&deployment).unwrap();
        assert_eq!(key.reference(), "deployment.apps/x");
        assert_eq!(key.plural_resource(), "deployments.apps");
        assert_eq!(Key::core("Pod", "default", "p").reference(), "pod/p");
    }

    #[test]
    fn a_merge_patch_merges_maps_replaces_lists_and_removes_nulls() {
        let mut value = json!({"a": {"x": 1, "y": 2}, "l": [1, 2], "gone": 1});
        merge_patch(&mut value, &json!({"a": {"y": 3}, "l": [9], "gone": null}));
        assert_eq!(value, json!({"a": {"x": 1, "y": 3}, "l": [9]}));
    }

    #[test]
    fn canonical_json_does_not_depend_on_key_order() {
        let one: Value = serde_json::from_str(r#"{"b":1,"a":{"d":1,"c":2}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":{"c":2,"d":1},"b":1}"#).unwrap();
        assert_eq!(canonical(&one).to_string(), canonical(&two).to_string());
    }
}
