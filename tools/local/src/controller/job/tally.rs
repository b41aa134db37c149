//! Which pods of a Job have succeeded and failed, each counted once, also when it is deleted afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::object::{integer, list, text, uid};

/// The counts.
pub(super) struct Tally {
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// The uids of the pods that are there and counted already (`status.countedPods`): Kubernetes holds such pods by
    /// a finalizer until they are counted; here they may go at any time.
    pub(super) counted: BTreeSet<String>,
}

impl Tally {
    /// What the Job's status says, and what its pods add to it.
    pub(super) fn of(job: &Value, pods: &[&Arc<Value>]) -> Self {
        let before: BTreeSet<&str> = list(job, "/status/countedPods")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut tally = Self {
            succeeded: integer(job, "/status/succeeded").unwrap_or(0),
            failed: integer(job, "/status/failed").unwrap_or(0),
            counted: BTreeSet::new(),
        };
        for pod in pods {
            let count = match text(pod, "/status/phase") {
                "Succeeded" => &mut tally.succeeded,
                "Failed" => &mut tally.failed,
                _ => continue,
            };
            if !before.contains(uid(pod)) {
                *count = count.saturating_add(1);
            }
            tally.counted.insert(uid(pod).to_owned());
        }
        tally
    }
}
