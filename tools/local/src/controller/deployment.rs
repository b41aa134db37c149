//! Deployments: one ReplicaSet per revision of the template, and the rollout from one to the next.

use std::sync::Arc;

use serde_json::{Value, json};

use super::replicaset::{self, pods_of};
use super::rollout::{Replicas, Strategy, step};
use super::template::{HASH_LABEL, hash};
use super::{Action, Context};
use crate::object::{
    Key, age, child, controller_reference, integer, is_controlled_by, list, name, namespace, text,
    uid,
};
use crate::store::View;

/// The annotation that numbers a Deployment's ReplicaSets.
pub const REVISION: &str = "deployment.kubernetes.io/revision";

/// What every Deployment needs next.
pub fn reconcile(view: &View, context: Context<'_>) -> Vec<Action> {
    view.of_kind("apps", "Deployment")
        .flat_map(|(key, deployment)| one(view, key, deployment, context))
        .collect()
}

/// The pods asked for: `spec.replicas`, 1 when absent.
pub fn wanted(owner: &Value) -> i64 {
    integer(owner, "/spec/replicas").unwrap_or(1).max(0)
}

fn one(view: &View, key: &Key, deployment: &Value, context: Context<'_>) -> Vec<Action> {
    let Some(template) = deployment.pointer("/spec/template") else {
        return vec![];
    };
    let hash = hash(template);
    let sets: Vec<&Arc<Value>> = view
        .of_kind("apps", "ReplicaSet")
        .filter(|(set, object)| {
            set.namespace == key.namespace && is_controlled_by(object, uid(deployment))
        })
        .map(|(_, object)| object)
        .collect();
    let (new, old): (Vec<&Arc<Value>>, Vec<&Arc<Value>>) = sets
        .iter()
        .copied()
        .partition(|set| text(set, &format!("/metadata/labels/{HASH_LABEL}")) == hash);
    let new = new.first().copied();
    let count = |set: &Value| replicas(view, set);
    let old_counts: Vec<Replicas> = old.iter().map(|set| count(set)).collect();
    let new_count = new.map_or(
        Replicas {
            desired: 0,
            available: 0,
            present: 0,
        },
        |set| count(set),
    );
    let strategy = Strategy::of(deployment, wanted(deployment));
    let (next_new, next_old) = step(strategy, wanted(deployment), new_count, &old_counts);

    let mut actions = Vec::new();
    match new {
        None => {
            let revision = sets.iter().map(|set| revision(set)).max().unwrap_or(0) + 1;
            actions.push(Action::Create(replica_set(
                deployment, template, &hash, revision, next_new,
            )));
            actions.push(Action::Patch(
                key.clone(),
                json!({"metadata": {"annotations": {REVISION: revision.to_string()}}}),
            ));
        }
        Some(set) => {
            actions.extend(scale(set, new_count.desired, next_new));
            // An older template came back: its ReplicaSet becomes the newest revision.
            let newest_old = old.iter().map(|set| revision(set)).max().unwrap_or(0);
            if revision(set) <= newest_old {
                let number = (newest_old + 1).to_string();
                let patch = json!({"metadata": {"annotations": {REVISION: number}}});
                actions.extend(Key::of(set).map(|key| Action::Patch(key, patch.clone())));
                actions.push(Action::Patch(key.clone(), patch));
            }
        }
    }
    for ((set, count), next) in old.iter().zip(&old_counts).zip(next_old) {
        actions.extend(scale(set, count.desired, next));
    }
    actions.extend(prune(deployment, &old, &old_counts));
    actions.push(Action::Status(
        key.clone(),
        uid(deployment).to_owned(),
        status(deployment, new_count, &old_counts, context),
    ));
    actions
}

fn revision(set: &Value) -> i64 {
    set.pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(REVISION))
        .and_then(Value::as_str)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn replicas(view: &View, set: &Value) -> Replicas {
    let pods = pods_of(view, set);
    Replicas {
        desired: wanted(set),
        available: pods
            .iter()
            .filter(|pod| replicaset::is_active(pod) && replicaset::is_ready(pod))
            .count() as i64,
        present: pods.len() as i64,
    }
}

fn scale(set: &Value, from: i64, to: i64) -> Option<Action> {
    (from != to)
        .then(|| {
            Some(Action::Patch(
                Key::of(set)?,
                json!({"spec": {"replicas": to}}),
            ))
        })
        .flatten()
}

/// Old, empty ReplicaSets beyond `revisionHistoryLimit` (10) go, the oldest first.
fn prune(deployment: &Value, old: &[&Arc<Value>], counts: &[Replicas]) -> Vec<Action> {
    let limit = integer(deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
    let mut empty: Vec<&Arc<Value>> = old
        .iter()
        .zip(counts)
        .filter(|(_, count)| count.desired == 0 && count.present == 0)
        .map(|(set, _)| *set)
        .collect();
    empty.sort_by_key(|set| revision(set));
    let surplus = empty
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(0));
    empty
        .into_iter()
        .take(surplus)
        .filter_map(|set| Key::of(set).map(Action::Delete))
        .collect()
}

fn replica_set(
    deployment: &Value,
    template: &Value,
    hash: &str,
    revision: i64,
    replicas: i64,
) -> Value {
    let mut template = template.clone();
    let labels = child(&mut template, "metadata")
        .entry("labels")
        .or_insert_with(|| json!({}));
    crate::object::as_map(labels).insert(HASH_LABEL.to_owned(), json!(hash));
    let labels = labels.clone();
    let mut selector = deployment
        .pointer("/spec/selector")
        .cloned()
        .unwrap_or_default();
    child(&mut selector, "matchLabels").insert(HASH_LABEL.to_owned(), json!(hash));
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", name(deployment)),
            "namespace": namespace(deployment),
            "labels": labels,
            "annotations": {REVISION: revision.to_string()},
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    })
}

fn status(deployment: &Value, new: Replicas, old: &[Replicas], context: Context<'_>) -> Value {
    let wanted = wanted(deployment);
    let all: i64 = new.desired + old.iter().map(|set| set.desired).sum::<i64>();
    let available: i64 = new.available + old.iter().map(|set| set.available).sum::<i64>();
    let unavailable = match Strategy::of(deployment, wanted) {
        Strategy::Recreate => wanted,
        Strategy::Rolling { unavailable, .. } => unavailable,
    };
    let complete = new.available == wanted && all == new.desired;
    let condition = |type_: &str, holds: bool, reason: &str, message: String| {
        let status = if holds { "True" } else { "False" };
        let before = list(deployment, "/status/conditions")
            .iter()
            .find(|c| text(c, "/type") == type_ && text(c, "/status") == status);
        let since = before.map_or_else(
            || age::timestamp(context.now),
            |c| text(c, "/lastTransitionTime").to_owned(),
        );
        json!({"type": type_, "status": status, "reason": reason, "message": message,
               "lastTransitionTime": since})
    };
    let has = available >= wanted - unavailable;
    json!({
        "observedGeneration": integer(deployment, "/metadata/generation").unwrap_or(1),
        "replicas": all,
        "updatedReplicas": new.desired,
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": (wanted - available).max(0),
        "conditions": [
            condition(
                "Available",
                has,
                if has { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
                if has { "Deployment has minimum availability.".to_owned() }
                else { "Deployment does not have minimum availability.".to_owned() },
            ),
            condition(
                "Progressing",
                true,
                if complete { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" },
                format!("Deployment {:?} {}.", name(deployment),
                    if complete { "has successfully progressed" } else { "is progressing" }),
            ),
        ],
    })
}
