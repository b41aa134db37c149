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
use crate::store::View;

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
    let view = shared.mesh.store().view();
    if let Some(name) = &which.name {
        let key = key_of(&word, &which, name, &view)?;
        let object = view
            .get(&key)
            .ok_or_else(|| Failure::from(crate::store::StoreError::NotFound(key)))?;
        return Ok(Json((**object).clone()));
    }
    let selector = which
        .selector
        .as_deref()
        .map(Selector::parse)
        .transpose()
        .map_err(|error| Failure::bad_request(error.to_string()))?
        .unwrap_or_default();
    let (group, kind) = kind_of(&word, &view)?;
    let namespaced = kinds::is_namespaced(&kind);
    let items: Vec<&Arc<Value>> = view
        .of_kind(&group, &kind)
        .filter(|(key, object)| {
            let here = match &which.namespace {
                Some(namespace) if namespaced => &key.namespace == namespace,
                _ => true,
            };
            here && selector.matches(&labels(object))
        })
        .map(|(_, object)| object)
        .collect();
    Ok(Json(json!({
        "apiVersion": "v1",
        "kind": "List",
        "itemKind": kind,
        "itemGroup": group,
        "items": items.iter().map(|item| (***item).clone()).collect::<Vec<_>>(),
    })))
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
    let object = store.delete(&key, which.grace)?;
    Ok(Json(json!({"resource": key.resource(), "object": *object})))
}
