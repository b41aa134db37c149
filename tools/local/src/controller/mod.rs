//! The controllers: each looks at the objects and says what to change. They are pure; [`pass`] runs them
//! all and `crate::reconcile` carries the actions out and comes back when something changed.

pub mod deployment;
pub mod endpoints;
pub mod garbage;
pub mod job;
pub mod namespace;
pub mod replicaset;
pub mod rollout;
pub mod service;
pub mod template;

use serde_json::Value;
use time::OffsetDateTime;

use crate::object::Key;
use crate::store::View;

/// One change that a controller wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make this object; the name is new.
    Create(Value),
    /// Create or replace this object.
    Put(Value),
    /// Merge this into the object.
    Patch(Key, Value),
    /// Replace the status of the object with this uid.
    Status(Key, String, Value),
    /// Ask for the end of this object.
    Delete(Key),
    /// Take the object with this uid out of the store.
    Remove(Key, String),
}

/// What controllers may know besides the objects.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Now.
    pub now: OffsetDateTime,
    /// Makes the random end of a generated name, of the given length.
    pub suffix: &'a dyn Fn(usize) -> String,
    /// Name of the one node.
    pub node: &'a str,
    /// Whether nobody on this machine listens on a port of 127.0.0.1.
    pub is_free: &'a dyn Fn(u16) -> bool,
}

/// Runs every controller once over `view`.
pub fn pass(view: &View, context: Context<'_>) -> Vec<Action> {
    let mut actions = namespace::reconcile(view);
    actions.extend(garbage::reconcile(view));
    actions.extend(service::reconcile(view, context));
    actions.extend(deployment::reconcile(view, context));
    actions.extend(replicaset::reconcile(view, context));
    actions.extend(job::reconcile(view, context));
    actions.extend(endpoints::reconcile(view, context.node));
    actions
}
