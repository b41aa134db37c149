//! Carries out what the controllers want, and admits pods on their way into the store.

mod notes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
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
/// Owners for which pods are made at a time.
const OWNERS_AT_A_TIME: usize = 16;

/// Runs the controllers for as long as the store lives.
pub async fn run(store: Arc<Store>, node: String, admission: Admission) {
    let mut objects = store.subscribe();
    loop {
        objects.mark_unchanged();
        let began = Instant::now();
        let failed = once(&store, &node, &admission).await;
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
pub async fn once(store: &Store, node: &str, admission: &Admission) -> bool {
    let view = store.view();
    let mut failed = false;
    let mut told = |done: Result<(), String>| {
        if let Err(problem) = done {
            tracing::warn!(problem, "a controller's action failed");
            failed = true;
        }
    };
    let mut pods: BTreeMap<String, Vec<Action>> = BTreeMap::new();
    for action in actions(&view, node) {
        match owner_of_new_pod(&action) {
            Some(owner) => pods.entry(owner).or_default().push(action),
            None => {
                // Asked before: what a deletion is about is not there after it.
                let note = notes::of(&action, &view);
                told(noted(store, note, put(store, action)));
            }
        }
    }
    // Pods are shown to webhooks, which take their time: owners do not wait for each other.
    let view = &view;
    let made = futures::stream::iter(pods.into_values())
        .map(|actions| make_pods(store, view, actions, node, admission));
    let mut made = made.buffer_unordered(OWNERS_AT_A_TIME);
    while let Some(done) = made.next().await {
        told(done);
    }
    failed
}

fn actions(view: &View, node: &str) -> Vec<Action> {
    let context = Context {
        now: OffsetDateTime::now_utc(),
        suffix: &random::suffix,
        node,
        is_free: &crate::fronts::is_free,
    };
    pass(view, context)
}

/// The uid of whose pod the action makes; None for every other action.
fn owner_of_new_pod(action: &Action) -> Option<String> {
    match action {
        Action::Create(object) if text(object, "/kind") == "Pod" => {
            let owner = list(object, "/metadata/ownerReferences").first();
            Some(owner.map_or("", |owner| text(owner, "/uid")).to_owned())
        }
        _ => None,
    }
}

/// Makes the pods of one owner one after the other. Where one cannot be made the next will not fare better: the rest
/// waits for the next pass.
async fn make_pods(
    store: &Store,
    view: &View,
    actions: Vec<Action>,
    node: &str,
    admission: &Admission,
) -> Result<(), String> {
    for action in actions {
        let Action::Create(pod) = &action else {
            continue;
        };
        let note = notes::of(&action, view);
        noted(store, note, create_pod(store, pod, node, admission).await)?;
    }
    Ok(())
}

/// Notes an event about what was done.
fn noted(
    store: &Store,
    note: Option<(Arc<Value>, Note)>,
    done: Result<(), String>,
) -> Result<(), String> {
    if let (Ok(()), Some((about, note))) = (&done, note) {
        store.events().note(&about, note);
    }
    done
}

fn put(store: &Store, action: Action) -> Result<(), String> {
    let done = match action {
        Action::Create(object) => {
            let key = Key::of(&object).ok_or("a controller made an object without a name")?;
            let created = store
                .check_namespace(&key)
                .and_then(|()| store.create(object));
            return created.map(drop).map_err(|error| error.to_string());
        }
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

async fn create_pod(
    store: &Store,
    object: &Value,
    node: &str,
    admission: &Admission,
) -> Result<(), String> {
    let key = Key::of(object).ok_or("a controller made a pod without a name")?;
    store
        .check_namespace(&key)
        .map_err(|error| error.to_string())?;
    let admitted = admit(object, &store.view(), node, admission).await;
    // While a webhook was asked, the namespace may have begun to end.
    let created = admitted.and_then(|admitted| {
        store
            .check_namespace(&key)
            .and_then(|()| store.create(admitted.pod))
            .map_err(|error| error.to_string())
    });
    let Err(problem) = created else {
        return Ok(());
    };
    // Every attempt makes up a new name: the complaint is about what they share, or it would be a new one each time.
    let problem = match text(object, "/metadata/generateName") {
        "" => problem,
        shared => problem.replace(name(object), shared),
    };
    if let Some((key, owner)) = notes::owner_of(&store.view(), object) {
        note_failure(store, &key, &owner, &problem);
    }
    Err(problem)
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
