//! Events: what happened to objects, in the words of Kubernetes' components. They are kept beside the objects, not
//! among them: noting one wakes no controller and is exported to nobody.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;

use crate::object::{age, name, namespace, text, uid};
use crate::random;

/// How long an event is kept after it happened last: the API server's `--event-ttl`.
const KEPT_FOR: Duration = Duration::hours(1);
/// How many are kept; the oldest goes first.
const KEPT: usize = 4000;
/// Characters of a message that are kept (the API server's limit).
const LONGEST_MESSAGE: usize = 1024;

/// Whether someone should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// As things go.
    Normal,
    /// Something is wrong.
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note {
    /// `type`.
    pub severity: Severity,
    /// CamelCase reason, such as `Pulled`.
    pub reason: &'static str,
    /// For a person.
    pub message: String,
    /// `source.component`, such as `kubelet`.
    pub component: &'static str,
    /// `source.host`: the node, where a node's component speaks; else empty.
    pub host: String,
    /// `involvedObject.fieldPath`, such as `spec.containers{app}`; else empty.
    pub field_path: String,
}

impl Note {
    /// A note of a component that is no node's.
    pub fn new(
        component: &'static str,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            reason,
            message: message.into(),
            component,
            host: String::new(),
            field_path: String::new(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    about: Value,
    namespace: String,
    name: String,
    uid: String,
    note: Note,
    first: OffsetDateTime,
    last: OffsetDateTime,
    count: u64,
}

/// What makes two events one that happened again: the uid of what it is about, and what is said of it.
type Identity = (String, Note);

#[derive(Debug, Default)]
struct Inner {
    /// By revision, which is the order in which they happened last.
    entries: BTreeMap<u64, Entry>,
    /// Where each is.
    known: HashMap<Identity, u64>,
    revision: u64,
}

impl Inner {
    fn remove(&mut self, revision: u64) -> Option<Entry> {
        let entry = self.entries.remove(&revision)?;
        self.known.remove(&entry.identity());
        Some(entry)
    }
}

impl Entry {
    fn identity(&self) -> Identity {
        (text(&self.about, "/uid").to_owned(), self.note.clone())
    }
}

/// The events of a mesh, the last hour's and a few thousand at most.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Journal {
    /// Notes what happened to `object`. The same again is counted, not listed again.
    pub fn note(&self, object: &Value, note: Note) {
        self.note_at(object, note, OffsetDateTime::now_utc());
    }

    fn note_at(&self, object: &Value, mut note: Note, now: OffsetDateTime) {
        if note.message.chars().count() > LONGEST_MESSAGE {
            let kept: String = note.message.chars().take(LONGEST_MESSAGE - 3).collect();
            note.message = format!("{kept}...");
        }
        let mut inner = self.lock();
        inner.revision += 1;
        let revision = inner.revision;
        let identity = (uid(object).to_owned(), note);
        let known = inner.known.insert(identity.clone(), revision);
        let known = known.and_then(|before| inner.entries.remove(&before));
        let entry = match known {
            Some(entry) => Entry {
                last: now,
                count: entry.count.saturating_add(1),
                ..entry
            },
            None => Entry {
                about: json!({
                    "kind": text(object, "/kind"),
                    "namespace": namespace(object),
                    "name": name(object),
                    "uid": uid(object),
                    "apiVersion": text(object, "/apiVersion"),
                    "resourceVersion": text(object, "/metadata/resourceVersion"),
                }),
                namespace: match namespace(object) {
                    "" => "default".to_owned(),
                    given => given.to_owned(),
                },
                name: format!("{}.{:x}", name(object), now.unix_timestamp_nanos()),
                uid: random::uuid(),
                note: identity.1,
                first: now,
                last: now,
                count: 1,
            },
        };
        inner.entries.insert(revision, entry);
        forget_old(&mut inner, now);
        drop(inner);
        self.changed.send_replace(revision);
    }

    /// The events that are kept, as `v1` objects, in the order in which they happened last.
    pub fn list(&self) -> Vec<Value> {
        let mut inner = self.lock();
        forget_old(&mut inner, OffsetDateTime::now_utc());
        let entries = inner.entries.iter();
        entries
            .map(|(revision, entry)| object(entry, *revision))
            .collect()
    }

    /// A receiver that is marked changed by every note.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Forgets one event; what it was, when it was there.
    pub fn remove(&self, of_namespace: &str, of_name: &str) -> Option<Value> {
        let mut inner = self.lock();
        let (at, _) = inner
            .entries
            .iter()
            .find(|(_, entry)| entry.namespace == of_namespace && entry.name == of_name)?;
        let at = *at;
        let removed = inner.remove(at)?;
        inner.revision += 1;
        self.changed.send_replace(inner.revision);
        Some(object(&removed, at))
    }

    /// Forgets the events of a namespace that is gone.
    pub fn forget_namespace(&self, gone: &str) {
        let mut inner = self.lock();
        inner.entries.retain(|_, entry| entry.namespace != gone);
        let Inner { entries, known, .. } = &mut *inner;
        known.retain(|_, revision| entries.contains_key(revision));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_old(inner: &mut Inner, now: OffsetDateTime) {
    while inner.entries.len() > KEPT
        || inner
            .entries
            .first_key_value()
            .is_some_and(|(_, oldest)| now - oldest.last > KEPT_FOR)
    {
        let Some(oldest) = inner.entries.keys().next().copied() else {
            return;
        };
        inner.remove(oldest);
    }
}

fn object(entry: &Entry, revision: u64) -> Value {
    let mut about = entry.about.clone();
    let mut source = json!({"component": entry.note.component});
    for (target, field, value) in [
        (&mut about, "fieldPath", &entry.note.field_path),
        (&mut source, "host", &entry.note.host),
    ] {
        if !value.is_empty() {
            crate::object::as_map(target).insert(field.to_owned(), json!(value));
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": entry.name,
            "namespace": entry.namespace,
            "uid": entry.uid,
            "creationTimestamp": age::timestamp(entry.first),
            "resourceVersion": revision.to_string(),
        },
        "involvedObject": about,
        "type": entry.note.severity.as_str(),
        "reason": entry.note.reason,
        "message": entry.note.message,
        "source": source,
        "firstTimestamp": age::timestamp(entry.first),
        "lastTimestamp": age::timestamp(entry.last),
        "count": entry.count,
        "eventTime": null,
        "reportingComponent": entry.note.component,
        "reportingInstance": entry.note.host,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": name}})
    }

    fn unhealthy(message: &str) -> Note {
        Note::new("kubelet", Severity::Warning, "Unhealthy", message)
    }

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::now_utc() - Duration::minutes(10) + Duration::seconds(second)
    }

    #[test]
    fn the_same_again_is_counted_and_moves_to_the_end() {
        let journal = Journal::default();
        journal.note_at(&pod("a"), unhealthy("no"), at(0));
        journal.note_at(&pod("b"), unhealthy("no"), at(1));
        journal.note_at(&pod("a"), unhealthy("no"), at(2));
        let events = journal.list();
        assert_eq!(events.len(), 2);
        let again = &events[1];
        assert_eq!(again["involvedObject"]["name"], "a");
        assert_eq!(again["count"], 2);
        assert_eq!(again["firstTimestamp"], age::timestamp(at(0)));
        assert_eq!(again["lastTimestamp"], age::timestamp(at(2)));
        assert_eq!(again["metadata"]["namespace"], "shop");
    }

    #[test]
    fn an_event_is_forgotten_after_an_hour_and_the_oldest_beyond_the_bound() {
        let journal = Journal::default();
        journal.note_at(&pod("a"), unhealthy("old"), at(-3600));
        journal.note_at(&pod("a"), unhealthy("new"), at(0));
        let messages: Vec<Value> = journal
            .list()
            .iter()
            .map(|e| e["message"].clone())
            .collect();
        assert_eq!(messages, ["new"]);
        for number in 0..KEPT + 5 {
            journal.note_at(&pod("a"), unhealthy(&number.to_string()), at(1));
        }
        let events = journal.list();
        assert_eq!(events.len(), KEPT);
        assert_eq!(events[0]["message"], "5");
    }

    #[test]
    fn what_belongs_to_no_namespace_is_noted_in_default_and_a_message_is_cut() {
        let journal = Journal::default();
        let node =
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "n"}});
        journal.note(&node, unhealthy(&"x".repeat(5000)));
        let events = journal.list();
        assert_eq!(events[0]["metadata"]["namespace"], "default");
        assert_eq!(text(&events[0], "/message").len(), LONGEST_MESSAGE);
        journal.forget_namespace("default");
        assert!(journal.list().is_empty());
    }
}
