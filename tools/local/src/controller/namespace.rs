//! Namespaces: the label with their name, what each holds from the start, and their end.

use serde_json::{Value, json};

use super::Action;
use crate::object::{Key, is_terminating, text, uid};
use crate::store::View;

/// The label by which namespaces are selected by name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The ConfigMap with the mesh's root certificate, in every namespace.
pub const ROOT_CONFIG_MAP: &str = "istio-ca-root-cert";
/// The namespace whose copy of [`ROOT_CONFIG_MAP`] is the source of all others.
pub const SYSTEM_NAMESPACE: &str = "istio-system";

/// What every Namespace needs next.
pub fn reconcile(view: &View) -> Vec<Action> {
    view.of_kind("", "Namespace")
        .flat_map(|(key, namespace)| {
            if is_terminating(namespace) {
                empty(view, key, namespace)
            } else {
                furnish(view, key, namespace)
            }
        })
        .collect()
}

fn furnish(view: &View, key: &Key, namespace: &Value) -> Vec<Action> {
    let name = key.name.as_str();
    let mut actions = Vec::new();
    let labelled = namespace
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(NAME_LABEL))
        .and_then(Value::as_str)
        == Some(name);
    if !labelled || text(namespace, "/status/phase") != "Active" {
        actions.push(Action::Patch(
            key.clone(),
            json!({
                "metadata": {"labels": {NAME_LABEL: name}},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }),
        ));
    }
    if view
        .get(&Key::core("ServiceAccount", name, "default"))
        .is_none()
    {
        actions.push(Action::Put(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name},
        })));
    }
    let root = view
        .get(&Key::core("ConfigMap", SYSTEM_NAMESPACE, ROOT_CONFIG_MAP))
        .and_then(|source| source.get("data"));
    let copy = view
        .get(&Key::core("ConfigMap", name, ROOT_CONFIG_MAP))
        .and_then(|copy| copy.get("data"));
    if let Some(root) = root
        && copy != Some(root)
    {
        actions.push(Action::Put(root_config_map(name, root.clone())));
    }
    actions
}

/// The ConfigMap with the root certificate for one namespace; `data` has the key `root-cert.pem`.
pub fn root_config_map(namespace: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": ROOT_CONFIG_MAP, "namespace": namespace,
                     "labels": {"istio.io/config": "true"}},
        "data": data,
    })
}

fn empty(view: &View, key: &Key, namespace: &Value) -> Vec<Action> {
    let content: Vec<(&Key, bool)> = view
        .iter()
        .filter(|(content, _)| content.namespace == key.name)
        .map(|(content, object)| (content, is_terminating(object)))
        .collect();
    if content.is_empty() {
        return vec![Action::Remove(key.clone(), uid(namespace).to_owned())];
    }
    content
        .into_iter()
        .filter(|(_, terminating)| !terminating)
        .map(|(content, _)| Action::Delete(content.clone()))
        .collect()
}
