//! Reading, changing and deleting objects.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::server::Shared;
use crate::object::selector::Selector;
use crate::object::{Key, kinds, labels};
use crate::store::{Store, View};

/// Which objects are meant.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    /// Absent: all namespaces.
    namespace: Option<String>,
    name: Option<String>,
    selector: Option<String>,
    /// Seconds to end in, for deletions.
    grace: Option<i64>,
}

/// The kind that a user means by a word: (group, kind).
pub(super) fn kind_of(word: &str, view: &View) -> Result<(String, String), Failure> {
    if let Some(known) = kinds::by_word(word) {
        return Ok((known.group.to_owned(), known.kind.to_owned()));
    }
    // Kinds that are kept without being known.
    let base = word.split('.').next().unwrap_or(word).to_ascii_lowercase();
    view.iter()
        .map(|(key, _)| key)
        .find(|key| key.kind.to_ascii_lowercase() == base || kinds::plural_of(&key.kind) == base)
        .map(|key| (key.group.clone(), key.kind.clone()))
        .ok_or_else(|| Failure::no_resource_type(word))
}

fn key_of(word: &str, which: &Which, name: &str, view: &View) -> Result<Key, Failure> {
    let (group, kind) = kind_of(word, view)?;
    let namespace = if kinds::is_namespaced(&kind) {
        which
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned())
    } else {
        String::new()
    };
    Ok(Key::of_group(&group, &kind, &namespace, name))
}

pub(super) async fn list_or_get(
    State(shared): State<Shared>,
    Path(word): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Failure> {
    let store = shared.mesh.store();
    let view = store.view();
    if let Some(name) = &which.name {
        let key = key_of(&word, &which, name, &view)?;
        let object = one(store, &view, &key)
            .ok_or_else(|| Failure::from(crate::store::StoreError::NotFound(key)))?;
        return Ok(Json((*object).clone()));
    }
    let chosen = Chosen::of(&word, &which, &view)?;
    let items: Vec<Value> = chosen
        .objects(store)
        .iter()
        .map(|item| (**item).clone())
        .collect();
    Ok(Json(json!({
        "apiVersion": "v1",
        "kind": "List",
        "itemKind": chosen.kind,
        "itemGroup": chosen.group,
        "items": items,
    })))
}

fn one(store: &Store, view: &View, key: &Key) -> Option<Arc<Value>> {
    if is_event(&key.group, &key.kind) {
        return store
            .events()
            .list()
            .into_iter()
            .find(|event| Key::of(event).as_ref() == Some(key))
            .map(Arc::new);
    }
    view.get(key).cloned()
}

fn is_event(group: &str, kind: &str) -> bool {
    group.is_empty() && kind == "Event"
}

/// The objects of one kind that a call means.
pub(super) struct Chosen {
    pub(super) group: String,
    pub(super) kind: String,
    namespace: Option<String>,
    name: Option<String>,
    selector: Selector,
}

impl Chosen {
    pub(super) fn of(word: &str, which: &Which, view: &View) -> Result<Self, Failure> {
        let selector = which
            .selector
            .as_deref()
            .map(Selector::parse)
            .transpose()
            .map_err(|error| Failure::bad_request(error.to_string()))?
            .unwrap_or_default();
        let (group, kind) = kind_of(word, view)?;
        Ok(Self {
            namespace: which
                .namespace
                .clone()
                .filter(|_| kinds::is_namespaced(&kind)),
            name: which.name.clone(),
            selector,
            group,
            kind,
        })
    }

    pub(super) fn is_event(&self) -> bool {
        is_event(&self.group, &self.kind)
    }

    pub(super) fn objects(&self, store: &Store) -> Vec<Arc<Value>> {
        let meant = |object: &Value| {
            self.namespace
                .as_deref()
                .is_none_or(|namespace| crate::object::namespace(object) == namespace)
                && self
                    .name
                    .as_deref()
                    .is_none_or(|name| crate::object::name(object) == name)
                && self.selector.matches(&labels(object))
        };
        if self.is_event() {
            let events = store.events().list();
            return events.into_iter().filter(meant).map(Arc::new).collect();
        }
        store
            .view()
            .of_kind(&self.group, &self.kind)
            .filter(|(_, object)| meant(object))
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }
}

pub(super) async fn patch(
    State(shared): State<Shared>,
    Path((word, name)): Path<(String, String)>,
    Query(which): Query<Which>,
    Json(patch): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let store = shared.mesh.store();
    let key = key_of(&word, &which, &name, &store.view())?;
    let fixed = [
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
        "/kind",
    ];
    if let Some(field) = fixed.iter().find(|field| patch.pointer(field).is_some()) {
        return Err(Failure::bad_request(format!("{field} cannot be changed")));
    }
    let (outcome, object) = store.patch(&key, &patch)?;
    Ok(Json(
        json!({"outcome": outcome.as_str(), "object": *object}),
    ))
}

pub(super) async fn delete(
    State(shared): State<Shared>,
    Path((word, name)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Failure> {
    let store = shared.mesh.store();
    let key = key_of(&word, &which, &name, &store.view())?;
    if is_event(&key.group, &key.kind) {
        let object = store
            .events()
            .remove(&key.namespace, &key.name)
            .ok_or_else(|| Failure::from(crate::store::StoreError::NotFound(key.clone())))?;
        return Ok(Json(json!({"resource": key.resource(), "object": object})));
    }
    let object = store.delete(&key, which.grace)?;
    Ok(Json(json!({"resource": key.resource(), "object": *object})))
}
