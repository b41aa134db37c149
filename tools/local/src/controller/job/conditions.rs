//! Whether a Job is done, and how its conditions say so.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::tally::Tally;
use crate::object::{has_condition, integer, list, text};

/// How a Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As many pods succeeded as were asked for.
    Complete,
    /// More pods failed than `backoffLimit` allows.
    BackoffLimit,
    /// It ran longer than `activeDeadlineSeconds`.
    Deadline,
}

impl Verdict {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Complete => (
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ),
            Self::BackoffLimit => (
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            ),
            Self::Deadline => (
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            ),
        }
    }

    /// What is to be added to `there`: the decision at once, the end when the last pod has `ended`.
    pub(super) fn conditions(self, there: &[Value], ended: bool, now: &str) -> Vec<Value> {
        let (decided, done) = match self {
            Self::Complete => ("SuccessCriteriaMet", "Complete"),
            Self::BackoffLimit | Self::Deadline => ("FailureTarget", "Failed"),
        };
        let (reason, message) = self.words();
        [(decided, true), (done, ended)]
            .into_iter()
            .filter(|(kind, holds)| *holds && !there.iter().any(|c| text(c, "/type") == *kind))
            .map(|(kind, _)| condition(kind, "True", reason, message, now))
            .collect()
    }
}

/// The Job's end when it has come to it.
pub(super) fn verdict(
    job: &Value,
    tally: &Tally,
    pods: &[&Arc<Value>],
    running: i64,
    now: OffsetDateTime,
) -> Option<Verdict> {
    // What was decided stays decided while pods end.
    if has_condition(job, "SuccessCriteriaMet") {
        return Some(Verdict::Complete);
    }
    if has_condition(job, "FailureTarget") {
        let by_deadline = list(job, "/status/conditions")
            .iter()
            .any(|condition| text(condition, "/reason") == "DeadlineExceeded");
        return Some(match by_deadline {
            true => Verdict::Deadline,
            false => Verdict::BackoffLimit,
        });
    }
    let limit = integer(job, "/spec/backoffLimit").unwrap_or(6).max(0);
    if tally.failed > limit || restarts(job, pods) > limit.saturating_sub(1).max(0) {
        return Some(Verdict::BackoffLimit);
    }
    if super::deadline(job).is_some_and(|deadline| deadline <= now) {
        return Some(Verdict::Deadline);
    }
    let complete = match integer(job, "/spec/completions") {
        Some(completions) => tally.succeeded >= completions,
        None => tally.succeeded > 0 && running == 0,
    };
    complete.then_some(Verdict::Complete)
}

/// How often containers were started again, which is how pods of `restartPolicy: OnFailure` fail.
fn restarts(job: &Value, pods: &[&Arc<Value>]) -> i64 {
    if text(job, "/spec/template/spec/restartPolicy") != "OnFailure" {
        return 0;
    }
    pods.iter()
        .filter(|pod| matches!(text(pod, "/status/phase"), "Running" | "Pending"))
        .flat_map(|pod| {
            // A native sidecar is started again whatever happens: that is no failure of the work.
            list(pod, "/status/containerStatuses")
        })
        .filter_map(|status| integer(status, "/restartCount"))
        .sum()
}

pub(super) fn condition(kind: &str, status: &str, reason: &str, message: &str, now: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastProbeTime": now, "lastTransitionTime": now,
    })
}
