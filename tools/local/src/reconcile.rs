//! Carries out what the controllers want, and admits pods on their way into the store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::admission::{Admission, admit};
use crate::controller::{Action, Context, pass};
use crate::object::{Key, age, is_controlled_by, list, name, text, uid};
use crate::random;
use crate::store::{Store, StoreError};

/// How long after a failed action the controllers look again when nothing changes.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Runs the controllers for as long as the store lives.
pub async fn run(store: Arc<Store>, node: String, admission: Arc<Admission>) {
    let mut objects = store.subscribe();
    loop {
        objects.mark_unchanged();
        let failed = once(&store, &node, &admission);
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TRY_AGAIN), if failed => {}
        }
    }
}

/// One pass of all controllers; true when something could not be carried out.
pub fn once(store: &Store, node: &str, admission: &Admission) -> bool {
    let context = Context {
        now: OffsetDateTime::now_utc(),
        suffix: &random::suffix,
        node,
    };
    let mut failed = false;
    for action in pass(&store.view(), context) {
        if let Err(problem) = carry_out(store, action, node, admission) {
            tracing::warn!(problem, "a controller's action failed");
            failed = true;
        }
    }
    failed
}

fn carry_out(
    store: &Store,
    action: Action,
    node: &str,
    admission: &Admission,
) -> Result<(), String> {
    let done = match action {
        Action::Create(object) => return create(store, object, node, admission),
        Action::Put(object) => store.put(object).map(drop),
        Action::Patch(key, patch) => store.patch(&key, &patch).map(drop),
        Action::Status(key, uid, status) => {
            store.set_status(&key, &uid, status);
            Ok(())
        }
        Action::Delete(key) => store.delete(&key, None).map(drop),
        Action::Remove(key, uid) => {
            store.remove(&key, &uid);
            Ok(())
        }
    };
    match done {
        // Another action of the same pass was first.
        Err(StoreError::NotFound(_)) | Ok(()) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn create(store: &Store, object: Value, node: &str, admission: &Admission) -> Result<(), String> {
    let key = Key::of(&object).ok_or("a controller made an object without a name")?;
    store
        .check_namespace(&key)
        .map_err(|error| error.to_string())?;
    if key.kind != "Pod" {
        return store.create(object).map(drop).map_err(|e| e.to_string());
    }
    let owner = owner_of(store, &object);
    match admit(&object, &store.view(), node, admission) {
        Ok(admitted) => store.create(admitted).map(drop).map_err(|e| e.to_string()),
        Err(problem) => {
            // Every attempt makes up a new name: the complaint is about what they share, or it would be a new
            // one each time.
            let problem = match text(&object, "/metadata/generateName") {
                "" => problem,
                shared => problem.replace(name(&object), shared),
            };
            if let Some((key, set)) = owner {
                note_failure(store, &key, &set, &problem);
            }
            Err(problem)
        }
    }
}

fn owner_of(store: &Store, pod: &Value) -> Option<(Key, Arc<Value>)> {
    let view = store.view();
    list(pod, "/metadata/ownerReferences").first()?;
    view.of_kind("apps", "ReplicaSet")
        .find(|(_, set)| is_controlled_by(pod, uid(set)))
        .map(|(key, set)| (key.clone(), Arc::clone(set)))
}

/// The ReplicaSet says why it has no pods, as Kubernetes' does.
fn note_failure(store: &Store, key: &Key, set: &Value, problem: &str) {
    let known = list(set, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/message") == problem);
    if known {
        return;
    }
    let mut status = set.get("status").cloned().unwrap_or_else(|| json!({}));
    crate::object::as_map(&mut status).insert(
        "conditions".to_owned(),
        json!([{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": problem, "lastTransitionTime": age::timestamp(OffsetDateTime::now_utc()),
        }]),
    );
    store.set_status(key, uid(set), status);
}

#[cfg(test)]
mod tests;
