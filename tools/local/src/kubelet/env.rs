//! A container's environment: literal values, `$(VAR)` references, and values from the pod, its
//! resources, ConfigMaps and Secrets.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use thiserror::Error;

use super::facts::Facts;
use crate::object::{Key, list, namespace, text};
use crate::store::View;

/// Why the environment of a container cannot be made. The pod waits with `CreateContainerConfigError`
/// until the missing object is there.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EnvError {
    /// The ConfigMap or Secret is not there.
    #[error("{kind} {name:?} not found (env of container {container:?})")]
    NoSource {
        /// `configmap` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The container that asks.
        container: String,
    },
    /// It is there, without that key.
    #[error("couldn't find key {key} in {kind} {name:?}")]
    NoKey {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The missing key.
        key: String,
    },
    /// A `fieldPath` or `resource` that no pod has.
    #[error("env {variable}: {path:?} is not a field that can be read here")]
    NoField {
        /// The variable.
        variable: String,
        /// What it asks for.
        path: String,
    },
}

/// The environment of `container`, in order, later entries replacing earlier ones of the same name.
/// `image` is what the image declares.
///
/// # Errors
/// When a source is missing and not optional.
pub fn build(
    container: &Value,
    image: &[(String, String)],
    facts: &Facts<'_>,
    view: &View,
) -> Result<Vec<(String, String)>, EnvError> {
    let mut environment = Environment::default();
    for (name, value) in image {
        environment.set(name, value.clone());
    }
    environment.set("HOSTNAME", facts.hostname());
    for source in list(container, "/envFrom") {
        let prefix = text(source, "/prefix");
        for (name, value) in from_all(source, container, facts, view)? {
            environment.set(&format!("{prefix}{name}"), value);
        }
    }
    for entry in list(container, "/env") {
        let name = text(entry, "/name");
        let value = match entry.get("valueFrom") {
            None | Some(Value::Null) => Some(expand(text(entry, "/value"), &environment.values)),
            Some(source) => from_one(name, source, container, facts, view)?,
        };
        if let Some(value) = value {
            environment.set(name, value);
        }
    }
    Ok(environment
        .order
        .into_iter()
        .filter_map(|name| environment.values.remove_entry(&name))
        .collect())
}

#[derive(Default)]
struct Environment {
    order: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Environment {
    fn set(&mut self, name: &str, value: String) {
        if self.values.insert(name.to_owned(), value).is_none() {
            self.order.push(name.to_owned());
        }
    }
}

/// Replaces `$(NAME)` by the variable; unknown names stay as written and `$$` is a literal `$`.
pub fn expand(input: &str, variables: &BTreeMap<String, String>) -> String {
    let mut output = String::with_capacity(input.len());
    let mut rest = input;
    while let Some((before, after)) = rest.split_once('$') {
        output.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            output.push('$');
            rest = after;
        } else if let Some((name, after_close)) =
            after.strip_prefix('(').and_then(|a| a.split_once(')'))
        {
            match variables.get(name) {
                Some(value) => output.push_str(value),
                None => {
                    output.push_str("$(");
                    output.push_str(name);
                    output.push(')');
                }
            }
            rest = after_close;
        } else {
            output.push('$');
            rest = after;
        }
    }
    output.push_str(rest);
    output
}

fn from_one(
    variable: &str,
    source: &Value,
    container: &Value,
    facts: &Facts<'_>,
    view: &View,
) -> Result<Option<String>, EnvError> {
    let no_field = |path: &str| EnvError::NoField {
        variable: variable.to_owned(),
        path: path.to_owned(),
    };
    if let Some(field) = source.get("fieldRef") {
        let path = text(field, "/fieldPath");
        return facts.field(path).map(Some).ok_or_else(|| no_field(path));
    }
    if let Some(resource) = source.get("resourceFieldRef") {
        return facts
            .resource(container, resource)
            .map(Some)
            .ok_or_else(|| no_field(text(resource, "/resource")));
    }
    for (field, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
        let Some(reference) = source.get(field) else {
            continue;
        };
        let (name, key) = (text(reference, "/name"), text(reference, "/key"));
        let found = data(view, kind, namespace(facts.pod), name);
        return match (
            found.as_ref().and_then(|d| d.get(key)),
            is_optional(reference),
        ) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, true) => Ok(None),
            (None, false) if found.is_some() => Err(EnvError::NoKey {
                kind,
                name: name.to_owned(),
                key: key.to_owned(),
            }),
            (None, false) => Err(no_source(kind, name, container)),
        };
    }
    Err(no_field("valueFrom"))
}

fn from_all(
    source: &Value,
    container: &Value,
    facts: &Facts<'_>,
    view: &View,
) -> Result<BTreeMap<String, String>, EnvError> {
    for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
        let Some(reference) = source.get(field) else {
            continue;
        };
        let name = text(reference, "/name");
        return match data(view, kind, namespace(facts.pod), name) {
            Some(data) => Ok(data),
            None if is_optional(reference) => Ok(BTreeMap::new()),
            None => Err(no_source(kind, name, container)),
        };
    }
    Ok(BTreeMap::new())
}

fn no_source(kind: &'static str, name: &str, container: &Value) -> EnvError {
    EnvError::NoSource {
        kind: if kind == "Secret" {
            "secret"
        } else {
            "configmap"
        },
        name: name.to_owned(),
        container: text(container, "/name").to_owned(),
    }
}

/// `optional: true` of a reference.
pub fn is_optional(reference: &Value) -> bool {
    reference.get("optional").and_then(Value::as_bool) == Some(true)
}

/// The content of a ConfigMap or Secret as text; Secrets are decoded, bytes that are no UTF-8 replaced.
fn data(view: &View, kind: &str, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let bytes = bytes(view, kind, namespace, name)?;
    Some(
        bytes
            .into_iter()
            .map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned()))
            .collect(),
    )
}

/// The content of a ConfigMap (`data`, `binaryData`) or Secret (`data`, `stringData`).
pub fn bytes(
    view: &View,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Option<BTreeMap<String, Vec<u8>>> {
    let object = view.get(&Key::core(kind, namespace, name))?;
    let (plain, encoded) = match kind {
        "Secret" => ("/stringData", "/data"),
        _ => ("/data", "/binaryData"),
    };
    let mut content: BTreeMap<String, Vec<u8>> = crate::object::strings(object, encoded)
        .into_iter()
        .filter_map(|(key, text)| Some((key, STANDARD.decode(text).ok()?)))
        .collect();
    content.extend(
        crate::object::strings(object, plain)
            .into_iter()
            .map(|(key, text)| (key, text.into_bytes())),
    );
    Some(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::kubelet::facts::Facts;
    use serde_json::json;

    fn pod() -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default", "labels": {"app": "web"}},
            "spec": {"serviceAccountName": "sa"}})
    }

    fn facts(pod: &Value) -> Facts<'_> {
        Facts {
            pod,
            pod_ip: "10.244.0.5",
            host_ip: "10.0.0.1",
            node: "n",
        }
    }

    fn env(container: &Value, view: &View) -> Result<BTreeMap<String, String>, EnvError> {
        let pod = pod();
        build(
            container,
            &[("PATH".into(), "/bin".into())],
            &facts(&pod),
            view,
        )
        .map(|list| list.into_iter().collect())
    }

    #[test]
    fn references_see_earlier_variables_and_unknown_ones_stay() {
        let container = json!({"name": "c", "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(PATH)-$(NOPE)-$$(A)-$x"},
        ]});
        let made = env(&container, &View::default()).unwrap();
        assert_eq!(made["B"], "1-/bin-$(NOPE)-$(A)-$x");
    }

    #[test]
    fn the_pod_and_its_resources_can_be_read() {
        let container = json!({"name": "c",
        "resources": {"limits": {"cpu": "1500m", "memory": "100Mi"}},
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "SA", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        ]});
        let made = env(&container, &View::default()).unwrap();
        let get = |name: &str| made[name].as_str();
        assert_eq!(
            [get("IP"), get("APP"), get("SA"), get("CPU"), get("MEM")],
            ["10.244.0.5", "web", "sa", "2", "100"]
        );
    }

    #[test]
    fn config_maps_and_secrets_are_read_and_missing_ones_are_named() {
        let view: View = [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}, "data": {"k": "v"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}, "data": {"pw": "aHVudGVy"}}),
        ]
        .into_iter()
        .collect();
        let container = json!({"name": "c", "envFrom": [{"prefix": "X_", "configMapRef": {"name": "cm"}}], "env": [
            {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
            {"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k", "optional": true}}},
        ]});
        let made = env(&container, &view).unwrap();
        assert_eq!((made["X_k"].as_str(), made["PW"].as_str()), ("v", "hunter"));
        assert!(!made.contains_key("NO"));

        let missing = json!({"name": "c", "env": [{"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}}]});
        assert_eq!(
            env(&missing, &view).unwrap_err().to_string(),
            r#"configmap "none" not found (env of container "c")"#
        );
    }
}
