//! What an action of a controller tells about the object it was done for, in the words of Kubernetes' controllers.

use std::sync::Arc;

use serde_json::Value;

use crate::controller::Action;
use crate::controller::deployment::wanted;
use crate::event::{Note, Severity};
use crate::object::{
    Key, has_condition, integer, is_controlled_by, is_terminating, list, name, uid,
};
use crate::store::View;

/// The component that speaks for objects of a kind.
pub(super) fn component(kind: &str) -> &'static str {
    match kind {
        "Deployment" => "deployment-controller",
        "ReplicaSet" => "replicaset-controller",
        "Job" => "job-controller",
        _ => "controller-manager",
    }
}

/// The controller of `object` that is still there.
pub(super) fn owner_of(view: &View, object: &Value) -> Option<(Key, Arc<Value>)> {
    list(object, "/metadata/ownerReferences").first()?;
    [
        ("apps", "ReplicaSet"),
        ("batch", "Job"),
        ("apps", "Deployment"),
    ]
    .iter()
    .flat_map(|(group, kind)| view.of_kind(group, kind))
    .find(|(_, owner)| is_controlled_by(object, uid(owner)))
    .map(|(key, owner)| (key.clone(), Arc::clone(owner)))
}

/// Whom the action is about and what it will have done; None for what Kubernetes does without a word.
pub(super) fn of(action: &Action, view: &View) -> Option<(Arc<Value>, Note)> {
    match action {
        Action::Create(object) => {
            let key = Key::of(object)?;
            let (owner_key, owner) = owner_of(view, object)?;
            match key.kind.as_str() {
                "Pod" => Some((
                    owner,
                    normal(
                        &owner_key,
                        "SuccessfulCreate",
                        format!("Created pod: {}", key.name),
                    ),
                )),
                "ReplicaSet" => scaled(view, object, 0, wanted(object)),
                _ => None,
            }
        }
        Action::Patch(key, patch) if key.kind == "ReplicaSet" => {
            let set = view.get(key)?;
            scaled(view, set, wanted(set), integer(patch, "/spec/replicas")?)
        }
        Action::Delete(key) if key.kind == "Pod" && key.group.is_empty() => {
            let pod = view.get(key).filter(|pod| !is_terminating(pod))?;
            let (owner_key, owner) = owner_of(view, pod)?;
            let message = format!("Deleted pod: {}", key.name);
            Some((owner, normal(&owner_key, "SuccessfulDelete", message)))
        }
        Action::Status(key, _, status) if key.kind == "Job" => {
            let job = view.get(key)?;
            finished(key, job, status).map(|note| (Arc::clone(job), note))
        }
        _ => None,
    }
}

fn normal(about: &Key, reason: &'static str, message: String) -> Note {
    Note::new(component(&about.kind), Severity::Normal, reason, message)
}

fn scaled(view: &View, set: &Value, from: i64, to: i64) -> Option<(Arc<Value>, Note)> {
    let (key, deployment) = owner_of(view, set)?;
    let direction = match from.cmp(&to) {
        std::cmp::Ordering::Less => "up",
        std::cmp::Ordering::Greater => "down",
        std::cmp::Ordering::Equal => return None,
    };
    let message = format!(
        "Scaled {direction} replica set {} from {from} to {to}",
        name(set)
    );
    Some((deployment, normal(&key, "ScalingReplicaSet", message)))
}

fn finished(key: &Key, before: &Value, status: &Value) -> Option<Note> {
    let after = serde_json::json!({ "status": status });
    let newly =
        |condition: &str| !has_condition(before, condition) && has_condition(&after, condition);
    if newly("Complete") {
        return Some(normal(key, "Completed", "Job completed".to_owned()));
    }
    if newly("Suspended") {
        return Some(normal(key, "Suspended", "Job suspended".to_owned()));
    }
    if !newly("Failed") {
        return None;
    }
    let by_deadline = list(&after, "/status/conditions")
        .iter()
        .any(|condition| crate::object::text(condition, "/reason") == "DeadlineExceeded");
    let (reason, message) = if by_deadline {
        (
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        )
    } else {
        (
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        )
    };
    Some(Note::new(
        component(&key.kind),
        Severity::Warning,
        reason,
        message,
    ))
}
