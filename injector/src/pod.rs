//! Reading and editing a pod as JSON, so that fields unknown to this crate survive.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::InjectError;

/// The name of the proxy's container.
pub(crate) const PROXY: &str = "istio-proxy";
/// The name of the init container that sets up redirection.
pub(crate) const INIT: &str = "istio-init";
/// The name of the init container that checks the redirection which a CNI plugin set up.
pub(crate) const VALIDATION: &str = "istio-validation";

/// The two lists of containers that injection touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Containers {
    /// `spec.containers`
    App,
    /// `spec.initContainers`
    Init,
}

impl Containers {
    pub(crate) const BOTH: [Self; 2] = [Self::App, Self::Init];

    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::App => "containers",
            Self::Init => "initContainers",
        }
    }
}

/// Checks the parts that injection reads, so that the accessors below may take absent for wrong.
///
/// # Errors
/// [`InjectError::Malformed`] with the first field of the wrong type.
pub(crate) fn check(pod: &Value) -> Result<(), InjectError> {
    let wrong = |path: String, expected| Err(InjectError::Malformed { path, expected });
    if !pod.is_object() {
        return wrong("pod".to_owned(), "an object");
    }
    for part in ["metadata", "spec"] {
        if !matches!(pod.get(part), None | Some(Value::Null | Value::Object(_))) {
            return wrong(part.to_owned(), "an object");
        }
    }
    for map in ["labels", "annotations"] {
        match pod.get("metadata").and_then(|m| m.get(map)) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                if let Some((key, _)) = entries.iter().find(|(_, v)| !v.is_string()) {
                    return wrong(
                        format!("metadata.{map}[{key}]"),
                        "a string (quote the value)",
                    );
                }
            }
            Some(_) => return wrong(format!("metadata.{map}"), "a map of strings"),
        }
    }
    for list in [
        "containers",
        "initContainers",
        "volumes",
        "imagePullSecrets",
    ] {
        match pod.get("spec").and_then(|s| s.get(list)) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    if name_of(item).is_none() {
                        return wrong(format!("spec.{list}[{i}]"), "an object with a name");
                    }
                }
            }
            Some(_) => return wrong(format!("spec.{list}"), "a list"),
        }
    }
    Ok(())
}

/// `name` of a container, volume or secret reference.
pub(crate) fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// `metadata.labels` or `metadata.annotations`.
pub(crate) fn strings(pod: &Value, map: &str) -> BTreeMap<String, String> {
    let entries = pod.get("metadata").and_then(|m| m.get(map));
    entries
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// One of the two lists of containers.
pub(crate) fn containers(pod: &Value, list: Containers) -> &[Value] {
    pod.get("spec")
        .and_then(|spec| spec.get(list.field()))
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The container of this name in one of the lists.
pub(crate) fn container<'a>(pod: &'a Value, list: Containers, name: &str) -> Option<&'a Value> {
    containers(pod, list)
        .iter()
        .find(|c| name_of(c) == Some(name))
}

/// One of the lists of containers, to edit; created when absent.
pub(crate) fn containers_mut(pod: &mut Value, list: Containers) -> &mut Vec<Value> {
    array_mut(object_mut(pod, "spec"), list.field())
}

/// The container that carries the proxy, wherever it is.
pub(crate) fn proxy_mut(pod: &mut Value) -> Option<&mut Value> {
    let list = Containers::BOTH
        .into_iter()
        .find(|list| container(pod, *list, PROXY).is_some())?;
    containers_mut(pod, list)
        .iter_mut()
        .find(|c| name_of(c) == Some(PROXY))
}

/// Takes the named container out of a list.
pub(crate) fn remove_container(pod: &mut Value, list: Containers, name: &str) {
    if container(pod, list, name).is_some() {
        containers_mut(pod, list).retain(|c| name_of(c) != Some(name));
    }
}

/// Makes an application's container an init container, unless there is one of its name.
pub(crate) fn move_to_init(pod: &mut Value, name: &str) {
    let Some(found) = container(pod, Containers::App, name).cloned() else {
        return;
    };
    remove_container(pod, Containers::App, name);
    if container(pod, Containers::Init, name).is_none() {
        containers_mut(pod, Containers::Init).push(found);
    }
}

/// Sets one label or annotation.
pub(crate) fn set_string(pod: &mut Value, map: &str, key: &str, value: &str) {
    let metadata = object_mut(pod, "metadata");
    let entry = metadata.entry(map).or_insert_with(|| Map::new().into());
    as_object(entry).insert(key.to_owned(), value.into());
}

/// Removes one label or annotation.
pub(crate) fn remove_string(pod: &mut Value, map: &str, key: &str) {
    let entries = pod.get_mut("metadata").and_then(|m| m.get_mut(map));
    if let Some(entries) = entries.and_then(Value::as_object_mut) {
        // shift: the order of the others is the user's.
        entries.shift_remove(key);
    }
}

/// Appends an environment variable to a container; one of the same name is replaced.
pub(crate) fn set_env(container: &mut Value, name: &str, value: &str) {
    let env = array_mut(as_object(container), "env");
    env.retain(|e| name_of(e) != Some(name));
    env.push(serde_json::json!({"name": name, "value": value}));
}

/// The literal value of a container's environment variable.
pub(crate) fn env_value<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let env = container.get("env").and_then(Value::as_array)?;
    let entry = env.iter().find(|e| name_of(e) == Some(name))?;
    entry.get("value").and_then(Value::as_str)
}

fn object_mut<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    as_object(
        as_object(value)
            .entry(key)
            .or_insert_with(|| Map::new().into()),
    )
}

fn array_mut<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let entry = object.entry(key).or_insert_with(|| Value::Array(vec![]));
    if !entry.is_array() {
        *entry = Value::Array(vec![]);
    }
    match entry {
        Value::Array(items) => items,
        _ => unreachable!("made an array above"),
    }
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Map::new().into();
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        let wrong = |pod: Value| check(&pod).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(wrong(json!({"spec": {"containers": "web"}})).contains("spec.containers"));
        assert!(wrong(json!({"spec": {"volumes": [{}]}})).contains("spec.volumes[0]"));
        assert!(
            wrong(json!({"metadata": {"labels": {"on": true}}})).contains("metadata.labels[on]")
        );
        assert!(wrong(json!([])).contains("pod"));
        assert_eq!(check(&json!({"metadata": null, "spec": {}})), Ok(()));
    }
}
