//! `get --watch`: the objects now and every change after, one JSON object `{"type", "object"}` a line.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use super::Failure;
use super::objects::{Chosen, Which};
use super::server::Shared;
use crate::object::Key;

pub(super) async fn watch(
    State(shared): State<Shared>,
    Path(word): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let store = shared.mesh.store();
    let chosen = Chosen::of(&word, &which, &store.view())?;
    let changes = if chosen.is_event() {
        store.events().subscribe()
    } else {
        store.subscribe()
    };
    let watching = Watching {
        shared,
        chosen,
        changes,
        known: BTreeMap::new(),
        told: VecDeque::new(),
        first: true,
    };
    let stream = futures::stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), watching))
    });
    Ok(Body::from_stream(stream).into_response())
}

struct Watching {
    shared: Shared,
    chosen: Chosen,
    changes: Receiver<u64>,
    known: BTreeMap<Key, Arc<Value>>,
    told: VecDeque<String>,
    first: bool,
}

impl Watching {
    /// The next line; None when the mesh has ended.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.told.pop_front() {
                return Some(line);
            }
            if !std::mem::take(&mut self.first) {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = self.shared.shutdown.cancelled() => return None,
                }
            }
            self.changes.mark_unchanged();
            // In their own order, which for events is that of time.
            let objects = self.chosen.objects(self.shared.mesh.store());
            self.told.extend(changes(&mut self.known, objects));
        }
    }
}

/// What is told of `now` to someone who knows `known`, which becomes `now`.
fn changes(known: &mut BTreeMap<Key, Arc<Value>>, now: Vec<Arc<Value>>) -> Vec<String> {
    let line =
        |kind: &str, object: &Value| format!("{}\n", json!({"type": kind, "object": object}));
    let mut told = Vec::new();
    let mut left = std::mem::take(known);
    for object in now {
        let Some(key) = Key::of(&object) else {
            continue;
        };
        match left.remove(&key) {
            None => told.push(line("ADDED", &object)),
            Some(before) if *before != *object => told.push(line("MODIFIED", &object)),
            Some(_) => {}
        }
        known.insert(key, object);
    }
    told.extend(left.values().map(|gone| line("DELETED", gone)));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str) -> Arc<Value> {
        Arc::new(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "d"},
                "status": {"phase": phase}}),
        )
    }

    fn types(lines: &[String]) -> Vec<(String, String)> {
        lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|told| {
                let text = |pointer| crate::object::text(&told, pointer).to_owned();
                (text("/type"), text("/object/metadata/name"))
            })
            .collect()
    }

    #[test]
    fn what_is_new_changed_and_gone_is_told_once() {
        let mut known = BTreeMap::new();
        let first = changes(&mut known, vec![pod("a", "Pending"), pod("b", "Pending")]);
        let told = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        assert_eq!(types(&first), [told("ADDED", "a"), told("ADDED", "b")]);
        let second = changes(&mut known, vec![pod("a", "Running"), pod("c", "Pending")]);
        assert_eq!(
            types(&second),
            [
                told("MODIFIED", "a"),
                told("ADDED", "c"),
                told("DELETED", "b")
            ]
        );
        let third = changes(&mut known, vec![pod("a", "Running"), pod("c", "Pending")]);
        assert!(third.is_empty());
    }
}
