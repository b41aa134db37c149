//! The object store: what an API server keeps in etcd, as JSON in memory. Every write bumps one
//! revision, which is also the `resourceVersion` of what was written.

pub mod apply;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rpds::RedBlackTreeMapSync;
use serde_json::{Value, json};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::event::Journal;
use crate::object::{Key, age, child, is_terminating, merge_patch, uid};
use crate::random;

/// The objects at one moment. A clone shares everything with its origin, and a write copies one path of the tree:
/// many look, often.
#[derive(Debug, Clone, Default)]
pub struct View(RedBlackTreeMapSync<Key, Arc<Value>>);

impl View {
    /// The object with this key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.0.get(key)
    }

    /// All objects of a kind, by namespace and name.
    pub fn of_kind<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.0
            .range(Key::of_group(group, kind, "", "")..)
            .take_while(move |(key, _)| key.kind == kind && key.group == group)
    }

    /// Every object, ordered by group, kind, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.0.iter()
    }
}

impl FromIterator<Value> for View {
    fn from_iter<T: IntoIterator<Item = Value>>(objects: T) -> Self {
        Self(
            objects
                .into_iter()
                .filter_map(|object| Some((Key::of(&object)?, Arc::new(object))))
                .collect(),
        )
    }
}

/// Namespaces that cannot be deleted, as Kubernetes' admission (`NamespaceLifecycle`) has it.
const KEPT: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Why a write was refused; the texts are the API server's.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// No such object.
    #[error("{} {:?} not found", .0.plural_resource(), .0.name)]
    NotFound(Key),
    /// An object with this name is there already.
    #[error("{} {:?} already exists", .0.plural_resource(), .0.name)]
    AlreadyExists(Key),
    /// The namespace of a namespaced object does not exist.
    #[error("namespaces {0:?} not found")]
    NoNamespace(String),
    /// The namespace is being deleted.
    #[error("{} {:?} is forbidden: unable to create new content in namespace {} because it is being terminated", .0.plural_resource(), .0.name, .0.namespace)]
    NamespaceTerminating(Key),
    /// A namespace that Kubernetes keeps.
    #[error("namespaces {0:?} is forbidden: this namespace may not be deleted")]
    NamespaceKept(String),
    /// The object has no kind or no name.
    #[error("the object needs `apiVersion`, `kind` and `metadata.name`")]
    Unnamed,
    /// A kind or group that no API server has.
    #[error("no matches for kind {:?} in group {:?}: kinds are letters and digits, apiVersion is GROUP/VERSION with a group of lower case letters, digits, '-' and '.'", .0.kind, .0.group)]
    InvalidKind(Key),
    /// A name that the API server would refuse.
    #[error("{} {:?} is invalid: metadata.name: Invalid value: {:?}: {}", .0.kind, .0.name, .0.name, .1)]
    InvalidName(Key, &'static str),
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The object is new.
    Created,
    /// The object changed.
    Configured,
    /// The object was this already.
    Unchanged,
}

impl Outcome {
    /// The word kubectl prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    view: View,
    revision: u64,
}

/// The store; share it by `Arc`.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    /// As `changed`, of ConfigMaps and Secrets alone.
    sources_changed: watch::Sender<u64>,
    events: Journal,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
            changed: watch::Sender::new(0),
            sources_changed: watch::Sender::new(0),
            events: Journal::default(),
        }
    }
}

impl Store {
    /// What happened to the objects.
    pub fn events(&self) -> &Journal {
        &self.events
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Writes replace whole values: a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects now.
    pub fn view(&self) -> View {
        self.lock().view.clone()
    }

    /// One object now.
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.lock().view.get(key).cloned()
    }

    /// A receiver that is marked changed by every write, holding the revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// As [`Store::subscribe`], marked by writes of ConfigMaps and Secrets alone: every pod waits for these, and the
    /// status of one pod must not wake all others.
    pub fn subscribe_sources(&self) -> watch::Receiver<u64> {
        self.sources_changed.subscribe()
    }

    /// Creates the object, with `uid`, `creationTimestamp` and `resourceVersion` filled in.
    ///
    /// # Errors
    /// When an object of that name exists or the object has no name.
    pub fn create(&self, object: Value) -> Result<Arc<Value>, StoreError> {
        let key = Key::of(&object).ok_or(StoreError::Unnamed)?;
        let mut inner = self.lock();
        if inner.view.get(&key).is_some() {
            return Err(StoreError::AlreadyExists(key));
        }
        Ok(self.write(&mut inner, key, object))
    }

    /// Creates or replaces the object. Identity (`uid`, `creationTimestamp`, a deletion under way) and,
    /// unless the new object brings its own, `status` stay as they were.
    ///
    /// # Errors
    /// When the object has no name.
    pub fn put(&self, object: Value) -> Result<(Outcome, Arc<Value>), StoreError> {
        let key = Key::of(&object).ok_or(StoreError::Unnamed)?;
        let mut inner = self.lock();
        self.replace(&mut inner, key, object)
    }

    fn replace(
        &self,
        inner: &mut Inner,
        key: Key,
        mut object: Value,
    ) -> Result<(Outcome, Arc<Value>), StoreError> {
        let Some(old) = inner.view.get(&key).cloned() else {
            return Ok((Outcome::Created, self.write(inner, key, object)));
        };
        for field in [
            "uid",
            "creationTimestamp",
            "resourceVersion",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            let kept = old.get("metadata").and_then(|m| m.get(field)).cloned();
            if let Some(kept) = kept {
                child(&mut object, "metadata").insert(field.to_owned(), kept);
            }
        }
        if let (None, Some(status)) = (object.get("status"), old.get("status")) {
            crate::object::as_map(&mut object).insert("status".to_owned(), status.clone());
        }
        if object == *old {
            return Ok((Outcome::Unchanged, old));
        }
        if object.get("spec") != old.get("spec") {
            let generation = crate::object::integer(&old, "/metadata/generation").unwrap_or(1);
            child(&mut object, "metadata").insert("generation".to_owned(), json!(generation + 1));
        }
        Ok((Outcome::Configured, self.write(inner, key, object)))
    }

    /// Applies a JSON merge patch to the object.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn patch(&self, key: &Key, patch: &Value) -> Result<(Outcome, Arc<Value>), StoreError> {
        let mut inner = self.lock();
        let Some(old) = inner.view.get(key).cloned() else {
            return Err(StoreError::NotFound(key.clone()));
        };
        let mut object = (*old).clone();
        merge_patch(&mut object, patch);
        self.replace(&mut inner, key.clone(), object)
    }

    /// Replaces `status` of the object that has this uid; a status for an object that is gone is dropped.
    pub fn set_status(&self, key: &Key, of_uid: &str, status: Value) {
        let mut inner = self.lock();
        let Some(old) = inner.view.get(key).cloned() else {
            return;
        };
        if uid(&old) != of_uid || old.get("status") == Some(&status) {
            return;
        }
        let mut object = (*old).clone();
        crate::object::as_map(&mut object).insert("status".to_owned(), status);
        self.write(&mut inner, key.clone(), object);
    }

    /// Asks for the end of an object. Pods and Namespaces are marked and end later (the kubelet and the
    /// namespace controller call [`Store::remove`]); everything else goes at once.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn delete(&self, key: &Key, grace_seconds: Option<i64>) -> Result<Arc<Value>, StoreError> {
        let mut inner = self.lock();
        let Some(old) = inner.view.get(key).cloned() else {
            return Err(StoreError::NotFound(key.clone()));
        };
        if key.group.is_empty() && key.kind == "Namespace" && KEPT.contains(&key.name.as_str()) {
            return Err(StoreError::NamespaceKept(key.name.clone()));
        }
        if key.group.is_empty() && (key.kind == "Pod" || key.kind == "Namespace") {
            let earlier = crate::object::integer(&old, "/metadata/deletionGracePeriodSeconds");
            let grace = grace_seconds
                // kubectl's word for "what the pod says".
                .filter(|seconds| *seconds >= 0)
                .or_else(|| crate::object::integer(&old, "/spec/terminationGracePeriodSeconds"))
                .unwrap_or(30);
            if is_terminating(&old) && earlier.is_none_or(|earlier| earlier <= grace) {
                return Ok(old);
            }
            let mut object = (*old).clone();
            let metadata = child(&mut object, "metadata");
            metadata.insert(
                "deletionTimestamp".to_owned(),
                json!(age::timestamp(OffsetDateTime::now_utc())),
            );
            if key.kind == "Pod" {
                metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
            } else {
                child(&mut object, "status").insert("phase".to_owned(), json!("Terminating"));
            }
            return Ok(self.write(&mut inner, key.clone(), object));
        }
        self.take(&mut inner, key);
        Ok(old)
    }

    /// Takes the object with this uid out of the store.
    pub fn remove(&self, key: &Key, of_uid: &str) {
        let mut inner = self.lock();
        if inner.view.get(key).is_some_and(|old| uid(old) == of_uid) {
            self.take(&mut inner, key);
            if key.kind == "Namespace" && key.group.is_empty() {
                self.events.forget_namespace(&key.name);
            }
        }
    }

    fn take(&self, inner: &mut Inner, key: &Key) {
        inner.view.0.remove_mut(key);
        inner.revision += 1;
        self.tell(key, inner.revision);
    }

    fn tell(&self, key: &Key, revision: u64) {
        self.changed.send_replace(revision);
        if key.group.is_empty() && matches!(key.kind.as_str(), "ConfigMap" | "Secret") {
            self.sources_changed.send_replace(revision);
        }
    }

    fn write(&self, inner: &mut Inner, key: Key, mut object: Value) -> Arc<Value> {
        inner.revision += 1;
        let now = age::timestamp(OffsetDateTime::now_utc());
        let metadata = child(&mut object, "metadata");
        metadata
            .entry("uid")
            .or_insert_with(|| json!(random::uuid()));
        metadata
            .entry("creationTimestamp")
            .and_modify(|time| {
                if time.is_null() {
                    *time = json!(now);
                }
            })
            .or_insert_with(|| json!(now));
        metadata.entry("generation").or_insert(json!(1));
        metadata.insert(
            "resourceVersion".to_owned(),
            json!(inner.revision.to_string()),
        );
        let object = Arc::new(object);
        inner.view.0.insert_mut(key.clone(), Arc::clone(&object));
        self.tell(&key, inner.revision);
        object
    }
}

#[cfg(test)]
mod tests;
