//! From what the API server sent to a raw object.

use kube::Resource;
use resources::problem::Problem;
use resources::yaml::{RawKey, RawObject};
use serde_json::Value;

use super::SOURCE;
use super::kinds::Kind;
use super::received::Received;
use super::slim::{compact, slim};

/// What an object turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// An object.
    Object(Box<RawObject>),
    /// One that says nothing to the mesh.
    Unread(Option<RawKey>),
    /// None: what is wrong with it, and which object it is, if that can be told.
    Refused(Option<RawKey>, Problem),
}

/// Reads an object of a kind as it was sent. Those in lists do not say what kind they are.
pub(super) fn read(kind: &Kind, version: &str, received: Received) -> Item {
    let key = key(kind, &received);
    let mut value = received.value;
    if let Value::Object(fields) = &mut value {
        let api_version = if kind.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", kind.group)
        };
        fields.insert("apiVersion".to_owned(), Value::String(api_version));
        fields.insert("kind".to_owned(), Value::String(kind.kind.to_owned()));
    }
    if !slim(kind.kind, &mut value) {
        return Item::Unread(key);
    }
    match RawObject::from_value(compact(value), SOURCE) {
        Ok(object) => Item::Object(Box::new(object)),
        Err(message) => {
            let problem = Problem::error(SOURCE, message);
            let about = key
                .as_ref()
                .map_or_else(|| kind.kind.to_owned(), ToString::to_string);
            Item::Refused(key, problem.about(about))
        }
    }
}

/// Which object it is, where it has a name.
pub(super) fn key(kind: &Kind, received: &Received) -> Option<RawKey> {
    let meta = received.meta();
    Some(RawKey {
        group: kind.group.to_owned(),
        kind: kind.kind.to_owned(),
        namespace: meta.namespace.clone(),
        name: meta.name.clone()?,
    })
}
