//! ReplicaSets: as many pods as asked for.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Value, json};

use super::deployment::wanted;
use super::{Action, Context};
use crate::object::{
    Key, controller_reference, has_condition, integer, is_controlled_by, is_terminating, list,
    name, namespace, text, uid,
};
use crate::store::View;

/// Pods made for one ReplicaSet in one pass, so that a slip of the keyboard does not start thousands at once.
const BURST: i64 = 500;

/// What every ReplicaSet needs next.
pub fn reconcile(view: &View, context: Context<'_>) -> Vec<Action> {
    view.of_kind("apps", "ReplicaSet")
        .flat_map(|(key, set)| one(view, key, set, context))
        .collect()
}

/// The pods that the ReplicaSet controls, also those that end.
pub fn pods_of<'a>(view: &'a View, set: &Value) -> Vec<&'a Arc<Value>> {
    view.of_kind("", "Pod")
        .filter(|(pod, object)| {
            pod.namespace == namespace(set) && is_controlled_by(object, uid(set))
        })
        .map(|(_, object)| object)
        .collect()
}

/// A pod that counts: neither ending nor at its end.
pub fn is_active(pod: &Value) -> bool {
    !is_terminating(pod) && !matches!(text(pod, "/status/phase"), "Failed" | "Succeeded")
}

/// The pod's Ready condition.
pub fn is_ready(pod: &Value) -> bool {
    has_condition(pod, "Ready")
}

fn one(view: &View, key: &Key, set: &Value, context: Context<'_>) -> Vec<Action> {
    let all = pods_of(view, set);
    let mut active: Vec<&Arc<Value>> = all.into_iter().filter(|pod| is_active(pod)).collect();
    let missing = wanted(set) - active.len() as i64;
    let mut actions: Vec<Action> = (0..missing.min(BURST))
        .map(|_| Action::Create(pod(set, &(context.suffix)(5))))
        .collect();
    // Those that serve nobody go first, then the youngest.
    active.sort_by_key(|pod| {
        (
            is_ready(pod),
            Reverse(text(pod, "/metadata/creationTimestamp")),
            name(pod),
        )
    });
    actions.extend(
        active
            .iter()
            .take(usize::try_from(-missing).unwrap_or(0))
            .filter_map(|pod| Key::of(pod).map(Action::Delete)),
    );
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let mut status = json!({
        "observedGeneration": integer(set, "/metadata/generation").unwrap_or(1),
        "replicas": active.len(),
        "fullyLabeledReplicas": active.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
    });
    // Whoever carries the actions out notes there that pods cannot be made; it stays until one was.
    let failures: Vec<Value> = list(set, "/status/conditions").to_vec();
    if missing > 0 && !failures.is_empty() {
        crate::object::as_map(&mut status).insert("conditions".to_owned(), Value::Array(failures));
    }
    // First, so that a pod that cannot be made is noted on top of it.
    actions.insert(0, Action::Status(key.clone(), uid(set).to_owned(), status));
    actions
}

fn pod(set: &Value, suffix: &str) -> Value {
    let mut metadata = set
        .pointer("/spec/template/metadata")
        .cloned()
        .unwrap_or_default();
    let fields = crate::object::as_map(&mut metadata);
    fields.insert("generateName".to_owned(), json!(format!("{}-", name(set))));
    fields.insert("name".to_owned(), json!(format!("{}-{suffix}", name(set))));
    fields.insert("namespace".to_owned(), json!(namespace(set)));
    fields.insert(
        "ownerReferences".to_owned(),
        json!([controller_reference(set)]),
    );
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": set.pointer("/spec/template/spec").cloned().unwrap_or_default(),
    })
}
