//! Carries out what the controllers want, and admits pods on their way into the store.

mod notes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::admission::{Admission, admit};
use crate::controller::{Action, Context, job, pass};
use crate::event::{Note, Severity};
use crate::object::{Key, age, list, name, text, uid};
use crate::pace;
use crate::random;
use crate::store::{Store, StoreError, View};

/// How long after a failed action the controllers look again when nothing changes.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Runs the controllers for as long as the store lives.
pub async fn run(store: Arc<Store>, node: String, admission: Arc<Admission>) {
    let mut objects = store.subscribe();
    loop {
        objects.mark_unchanged();
        let began = Instant::now();
        let failed = once(&store, &node, &admission);
        pace::rest(began).await;
        let now = OffsetDateTime::now_utc();
        let due = job::due(&store.view(), now)
            .map(|due| Duration::try_from(due - now).unwrap_or_default());
        let again = match (failed, due) {
            (true, due) => Some(due.unwrap_or(TRY_AGAIN).min(TRY_AGAIN)),
            (false, due) => due,
        };
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
    }
}

/// One pass of all controllers; true when something could not be carried out.
pub fn once(store: &Store, node: &str, admission: &Admission) -> bool {
    let context = Context {
        now: OffsetDateTime::now_utc(),
        suffix: &random::suffix,
        node,
        is_free: &crate::fronts::is_free,
    };
    let mut failed = false;
    let view = store.view();
    for action in pass(&view, context) {
        if let Err(problem) = carry_out(store, &view, action, node, admission) {
            tracing::warn!(problem, "a controller's action failed");
            failed = true;
        }
    }
    failed
}

fn carry_out(
    store: &Store,
    view: &View,
    action: Action,
    node: &str,
    admission: &Admission,
) -> Result<(), String> {
    // Asked before: what a deletion is about is not there after it.
    let note = notes::of(&action, view);
    let done = put(store, action, node, admission);
    if let (Ok(()), Some((about, note))) = (&done, note) {
        store.events().note(&about, note);
    }
    done
}

fn put(store: &Store, action: Action, node: &str, admission: &Admission) -> Result<(), String> {
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
    match admit(&object, &store.view(), node, admission) {
        Ok(admitted) => store.create(admitted).map(drop).map_err(|e| e.to_string()),
        Err(problem) => {
            // Every attempt makes up a new name: the complaint is about what they share, or it would be a new
            // one each time.
            let problem = match text(&object, "/metadata/generateName") {
                "" => problem,
                shared => problem.replace(name(&object), shared),
            };
            if let Some((key, owner)) = notes::owner_of(&store.view(), &object) {
                note_failure(store, &key, &owner, &problem);
            }
            Err(problem)
        }
    }
}

/// The owner says why it has no pods, as Kubernetes' ReplicaSets and Jobs do.
fn note_failure(store: &Store, key: &Key, owner: &Value, problem: &str) {
    let note = Note::new(
        notes::component(&key.kind),
        Severity::Warning,
        "FailedCreate",
        format!("Error creating: {problem}"),
    );
    store.events().note(owner, note);
    let known = list(owner, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/message") == problem);
    if known || key.kind != "ReplicaSet" {
        return;
    }
    let mut status = owner.get("status").cloned().unwrap_or_else(|| json!({}));
    crate::object::as_map(&mut status).insert(
        "conditions".to_owned(),
        json!([{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": problem, "lastTransitionTime": age::timestamp(OffsetDateTime::now_utc()),
        }]),
    );
    store.set_status(key, uid(owner), status);
}

#[cfg(test)]
mod tests;
