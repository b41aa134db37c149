//! Applying one object, with the rules that Pods have of their own.

use serde_json::Value;

use crate::admission::{Admission, admit};
use crate::mesh::Applied;
use crate::object::{Key, child, text};
use crate::store::{Outcome, Store};

/// Applies `object` into the store.
pub fn one(
    store: &Store,
    object: Value,
    namespace: &str,
    node: &str,
    admission: &Admission,
) -> Applied {
    let reference = Key::of(&object).map_or_else(
        || format!("{} without a name", text(&object, "/kind")),
        |key| key.reference(),
    );
    let is_namespace = text(&object, "/kind") == "Namespace";
    let name = Key::of(&object).map(|key| key.name);
    let applied = if text(&object, "/kind") == "Pod" {
        pod(store, object, namespace, node, admission)
    } else {
        store
            .apply(object, namespace)
            .map(|(outcome, _)| outcome)
            .map_err(|error| error.to_string())
    };
    if let (true, Ok(_), Some(name)) = (is_namespace, &applied, name) {
        furnish(store, &name);
    }
    match applied {
        Ok(outcome) => Applied {
            object: reference,
            outcome: Some(outcome.as_str().to_owned()),
            error: None,
        },
        Err(error) => Applied {
            object: reference,
            outcome: None,
            error: Some(error),
        },
    }
}

/// A Namespace's pods need its service account, and may stand in the same file: it does not wait for the
/// controllers, which put it back should it go.
fn furnish(store: &Store, namespace: &str) {
    // One that is there already stays as it is.
    let _ = store.create(serde_json::json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }));
}

/// A new pod is admitted (injected, defaulted). One that is there keeps its spec: only its labels and
/// annotations can change, as in Kubernetes.
fn pod(
    store: &Store,
    mut object: Value,
    namespace: &str,
    node: &str,
    admission: &Admission,
) -> Result<Outcome, String> {
    child(&mut object, "metadata")
        .entry("namespace")
        .or_insert_with(|| Value::String(namespace.to_owned()));
    let key = Key::of(&object).ok_or("a Pod needs metadata.name")?;
    store
        .check_namespace(&key)
        .map_err(|error| error.to_string())?;
    if store.get(&key).is_some() {
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        return store
            .patch(&key, &serde_json::json!({"metadata": metadata}))
            .map(|(outcome, _)| outcome)
            .map_err(|error| error.to_string());
    }
    let admitted = admit(&object, &store.view(), node, admission)?;
    store
        .create(admitted)
        .map(|_| Outcome::Created)
        .map_err(|error| error.to_string())
}
