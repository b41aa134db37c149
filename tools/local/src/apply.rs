//! Applying one object, with the rules that Pods have of their own.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::admission::{Admission, admit, check};
use crate::controller::service::{FIRST_NODE_PORT, NODE_PORTS, SERVICES};
use crate::mesh::Applied;
use crate::object::{Key, child, integer, list, name, text};
use crate::store::apply::check_key;
use crate::store::{Outcome, Store};

/// Applies `object` into the store.
pub async fn one(
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
    let namespace_name = Key::of(&object).map(|key| key.name);
    let mut warnings = Vec::new();
    let applied = match text(&object, "/kind") {
        "Pod" => pod(store, object, namespace, node, admission)
            .await
            .map(|(outcome, said)| {
                warnings = said;
                outcome
            }),
        "MutatingWebhookConfiguration" => {
            check(&object).and_then(|()| other(store, object, namespace))
        }
        "Service" => check_cluster_ip(store, &object, namespace)
            .and_then(|()| check_node_ports(store, &object, namespace))
            .and_then(|()| other(store, object, namespace)),
        "Job" => {
            check_job(store, &object, namespace).and_then(|()| other(store, object, namespace))
        }
        "Secret" => other(store, secret(object), namespace),
        _ => other(store, object, namespace),
    };
    if let (true, Ok(_), Some(name)) = (is_namespace, &applied, namespace_name) {
        furnish(store, &name);
    }
    match applied {
        Ok(outcome) => Applied {
            object: reference,
            outcome: Some(outcome.as_str().to_owned()),
            error: None,
            warnings,
        },
        Err(error) => Applied {
            object: reference,
            outcome: None,
            error: Some(error),
            warnings,
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

fn other(store: &Store, object: Value, namespace: &str) -> Result<Outcome, String> {
    store
        .apply(object, namespace)
        .map(|(outcome, _)| outcome)
        .map_err(|error| error.to_string())
}

/// Refuses an address that a Service cannot have, as the API server does: the rules of all Services are one
/// transaction, so one bad address would stop the others too.
fn check_cluster_ip(store: &Store, service: &Value, namespace: &str) -> Result<(), String> {
    let asked = text(service, "/spec/clusterIP");
    if matches!(asked, "" | "None") {
        return Ok(());
    }
    let invalid = |problem: String| {
        Err(format!(
            "Service {:?} is invalid: spec.clusterIPs: Invalid value: [{asked:?}]: {problem}",
            name(service)
        ))
    };
    let in_range = asked
        .parse::<Ipv4Addr>()
        .is_ok_and(|address| SERVICES.contains(&address));
    if !in_range {
        return invalid(format!(
            "failed to allocate IP {asked}: the provided IP is not in the valid range. The range of valid IPs is {SERVICES}"
        ));
    }
    let mut key = Key::core("Service", namespace, name(service));
    if let Some(own) = Some(text(service, "/metadata/namespace")).filter(|own| !own.is_empty()) {
        key.namespace = own.to_owned();
    }
    let taken = store
        .view()
        .of_kind("", "Service")
        .any(|(other, service)| *other != key && text(service, "/spec/clusterIP") == asked);
    if taken {
        return invalid(format!(
            "failed to allocate IP {asked}: provided IP is already allocated"
        ));
    }
    Ok(())
}

/// The key under which `object` is stored when it names no namespace of its own.
fn key_in(object: &Value, namespace: &str) -> Option<Key> {
    let mut key = Key::of(object)?;
    if key.namespace.is_empty() {
        key.namespace = namespace.to_owned();
    }
    Some(key)
}

/// Refuses node ports that a Service cannot have, as the API server does.
fn check_node_ports(store: &Store, service: &Value, namespace: &str) -> Result<(), String> {
    let own = key_in(service, namespace);
    let view = store.view();
    for (index, port) in list(service, "/spec/ports").iter().enumerate() {
        let Some(asked) = integer(port, "/nodePort").filter(|asked| *asked != 0) else {
            continue;
        };
        let invalid = |problem: String| {
            Err(format!(
                "Service {:?} is invalid: spec.ports[{index}].nodePort: Invalid value: {asked}: {problem}",
                name(service)
            ))
        };
        let (first, last) = (
            i64::from(FIRST_NODE_PORT),
            i64::from(FIRST_NODE_PORT + NODE_PORTS - 1),
        );
        if !(first..=last).contains(&asked) {
            return invalid(format!(
                "provided port is not in the valid range. The range of valid ports is {first}-{last}"
            ));
        }
        let taken = view
            .of_kind("", "Service")
            .filter(|(key, _)| Some(*key) != own.as_ref())
            .flat_map(|(_, other)| list(other, "/spec/ports"))
            .any(|other| integer(other, "/nodePort") == Some(asked));
        if taken {
            return invalid("provided port is already allocated".to_owned());
        }
    }
    Ok(())
}

/// Refuses Jobs that could never end, or that change what their pods run.
fn check_job(store: &Store, job: &Value, namespace: &str) -> Result<(), String> {
    let invalid = |field: &str, problem: &str| {
        Err(format!(
            "Job.batch {:?} is invalid: {field}: {problem}",
            name(job)
        ))
    };
    match text(job, "/spec/template/spec/restartPolicy") {
        "Never" | "OnFailure" => {}
        "" => {
            return invalid(
                "spec.template.spec.restartPolicy",
                "Required value: valid values: \"OnFailure\", \"Never\"",
            );
        }
        other => {
            return invalid(
                "spec.template.spec.restartPolicy",
                &format!(
                    "Unsupported value: {other:?}: supported values: \"OnFailure\", \"Never\""
                ),
            );
        }
    }
    if text(job, "/spec/completionMode") == "Indexed" {
        return invalid(
            "spec.completionMode",
            "lateen local runs Jobs of mode NonIndexed alone: leave it out",
        );
    }
    let before = key_in(job, namespace).and_then(|key| store.get(&key));
    if let Some(before) = before {
        let containers = "/spec/template/spec/containers";
        if before.pointer(containers) != job.pointer(containers) {
            return invalid(
                "spec.template",
                "Invalid value: field is immutable: delete the Job and apply it again",
            );
        }
    }
    Ok(())
}

/// A Secret's `stringData` becomes `data`, as the API server stores it.
fn secret(mut object: Value) -> Value {
    let plain = crate::object::strings(&object, "/stringData");
    crate::object::as_map(&mut object).remove("stringData");
    if !plain.is_empty() {
        let data = child(&mut object, "data");
        for (key, value) in plain {
            data.insert(key, Value::String(STANDARD.encode(value)));
        }
    }
    crate::object::as_map(&mut object)
        .entry("type")
        .or_insert_with(|| Value::String("Opaque".to_owned()));
    object
}

/// A new pod is admitted (injected, defaulted). One that is there keeps its spec: only its labels and
/// annotations can change, as in Kubernetes.
async fn pod(
    store: &Store,
    mut object: Value,
    namespace: &str,
    node: &str,
    admission: &Admission,
) -> Result<(Outcome, Vec<String>), String> {
    child(&mut object, "metadata")
        .entry("namespace")
        .or_insert_with(|| Value::String(namespace.to_owned()));
    let key = Key::of(&object).ok_or("a Pod needs metadata.name")?;
    check_key(&key).map_err(|error| error.to_string())?;
    store
        .check_namespace(&key)
        .map_err(|error| error.to_string())?;
    if store.get(&key).is_some() {
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        return store
            .patch(&key, &serde_json::json!({"metadata": metadata}))
            .map(|(outcome, _)| (outcome, Vec::new()))
            .map_err(|error| error.to_string());
    }
    let admitted = admit(&object, &store.view(), node, admission).await?;
    // While a webhook was asked, the namespace may have begun to end.
    store
        .check_namespace(&key)
        .and_then(|()| store.create(admitted.pod))
        .map(|_| (Outcome::Created, admitted.warnings))
        .map_err(|error| error.to_string())
}
