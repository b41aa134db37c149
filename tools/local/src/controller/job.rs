//! Jobs: pods that run to their end, as many as must succeed, tried again with a growing pause.

mod conditions;
mod tally;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::replicaset::{is_active, is_ready, pods_of};
use super::{Action, Context};
use crate::object::{
    Key, age, controller_reference, has_condition, integer, is_terminating, labels, list, name,
    namespace, text, uid,
};
use crate::store::View;
use conditions::Verdict;
use tally::Tally;

/// Ties pods to the Job's uid.
pub const CONTROLLER_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// Ties pods to the Job's name.
pub const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
/// The same labels as clients before Kubernetes 1.27 know them.
const LEGACY_LABELS: [(&str, &str); 2] = [
    ("controller-uid", CONTROLLER_LABEL),
    ("job-name", NAME_LABEL),
];
/// Pods made for one Job in one pass.
const BURST: i64 = 500;
/// The pause after a first failure; it doubles with each further one up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::seconds(10);
const LONGEST_PAUSE: Duration = Duration::minutes(10);

/// What every Job needs next.
pub fn reconcile(view: &View, context: Context<'_>) -> Vec<Action> {
    view.of_kind("batch", "Job")
        .flat_map(|(key, job)| one(view, key, job, context))
        .collect()
}

/// When a Job needs to be looked at again though nothing changes: a deadline, the end of a pause, of its own life.
pub fn due(view: &View, now: OffsetDateTime) -> Option<OffsetDateTime> {
    view.of_kind("batch", "Job")
        .filter(|(_, job)| !is_terminating(job))
        .flat_map(|(_, job)| {
            let state = State::of(view, job);
            match state.finished_at() {
                Some(_) => [expires(job, &state), None],
                None => [deadline(job), state.pause_ends()],
            }
        })
        .flatten()
        .filter(|at| *at > now)
        .min()
}

/// A Job and its pods.
struct State<'a> {
    job: &'a Value,
    pods: Vec<&'a Arc<Value>>,
}

impl<'a> State<'a> {
    fn of(view: &'a View, job: &'a Value) -> Self {
        Self {
            job,
            pods: pods_of(view, job),
        }
    }

    fn finished_at(&self) -> Option<OffsetDateTime> {
        list(self.job, "/status/conditions")
            .iter()
            .find(|c| {
                matches!(text(c, "/type"), "Complete" | "Failed") && text(c, "/status") == "True"
            })
            .and_then(|c| age::parse(text(c, "/lastTransitionTime")))
    }

    fn active(&self) -> impl Iterator<Item = &&'a Arc<Value>> {
        self.pods.iter().filter(|pod| is_active(pod))
    }

    /// Until when no pod is made, because of those that failed since the last one succeeded.
    fn pause_ends(&self) -> Option<OffsetDateTime> {
        let ends = |phase: &str| -> Vec<OffsetDateTime> {
            self.pods
                .iter()
                .filter(|pod| text(pod, "/status/phase") == phase)
                .filter_map(|pod| finish_of(pod))
                .collect()
        };
        let succeeded = ends("Succeeded").into_iter().max();
        let failed: Vec<OffsetDateTime> = ends("Failed")
            .into_iter()
            .filter(|at| succeeded.is_none_or(|succeeded| *at > succeeded))
            .collect();
        let last = failed.iter().max()?;
        let doublings = u32::try_from(failed.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = 2_i32
            .checked_pow(doublings)
            .and_then(|factor| FIRST_PAUSE.checked_mul(factor))
            .map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE));
        last.checked_add(pause)
    }
}

/// When the last container of a pod ended.
fn finish_of(pod: &Value) -> Option<OffsetDateTime> {
    ["/status/containerStatuses", "/status/initContainerStatuses"]
        .iter()
        .flat_map(|pointer| list(pod, pointer))
        .filter_map(|status| age::parse(text(status, "/state/terminated/finishedAt")))
        .max()
}

fn seconds(job: &Value, field: &str) -> Option<Duration> {
    integer(job, field).map(|n| Duration::seconds(n.clamp(0, i64::from(i32::MAX))))
}

fn deadline(job: &Value) -> Option<OffsetDateTime> {
    age::parse(text(job, "/status/startTime"))?
        .checked_add(seconds(job, "/spec/activeDeadlineSeconds")?)
}

fn expires(job: &Value, state: &State<'_>) -> Option<OffsetDateTime> {
    state
        .finished_at()?
        .checked_add(seconds(job, "/spec/ttlSecondsAfterFinished")?)
}

fn one(view: &View, key: &Key, job: &Value, context: Context<'_>) -> Vec<Action> {
    if is_terminating(job) {
        return vec![];
    }
    if let Some(defaults) = defaults(job) {
        return vec![Action::Patch(key.clone(), defaults)];
    }
    let state = State::of(view, job);
    if state.finished_at().is_some() {
        let over = expires(job, &state).is_some_and(|at| at <= context.now);
        return over
            .then(|| Action::Delete(key.clone()))
            .into_iter()
            .collect();
    }
    let tally = Tally::of(job, &state.pods);
    let active: Vec<&Arc<Value>> = state.active().copied().collect();
    let running = i64::try_from(active.len()).unwrap_or(i64::MAX);
    let suspended = job.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true);
    let verdict = conditions::verdict(job, &tally, &state.pods, running, context.now);
    let wanted = match (&verdict, suspended) {
        (Some(_), _) | (None, true) => 0,
        (None, false) => wanted(job, &tally, running),
    };
    let mut actions = Vec::new();
    // The youngest go first: they have done least.
    let mut surplus = active.clone();
    surplus.sort_by_key(|pod| std::cmp::Reverse(text(pod, "/metadata/creationTimestamp")));
    let too_many = usize::try_from(running.saturating_sub(wanted)).unwrap_or(0);
    for pod in surplus.into_iter().take(too_many) {
        actions.extend(Key::of(pod).map(Action::Delete));
    }
    let paused = state.pause_ends().is_some_and(|ends| ends > context.now);
    if !paused {
        for _ in 0..wanted.saturating_sub(running).clamp(0, BURST) {
            actions.push(Action::Create(pod(job, &(context.suffix)(5))));
        }
    }
    let status = status(&state, &tally, verdict, suspended, context);
    actions.insert(0, Action::Status(key.clone(), uid(job).to_owned(), status));
    actions
}

/// How many pods should run now.
fn wanted(job: &Value, tally: &Tally, running: i64) -> i64 {
    let parallelism = integer(job, "/spec/parallelism").unwrap_or(1).max(0);
    match integer(job, "/spec/completions") {
        Some(completions) => parallelism.min(completions.saturating_sub(tally.succeeded).max(0)),
        // A work queue: once one found it empty, no further one is made.
        None if tally.succeeded > 0 => running.min(parallelism),
        None => parallelism,
    }
}

/// What the API server fills in; None when it is there.
fn defaults(job: &Value) -> Option<Value> {
    let selected = !text(job, "/spec/selector/matchLabels").is_empty()
        || job.pointer("/spec/selector").is_some_and(Value::is_object);
    if selected {
        return None;
    }
    let mut spec = Map::new();
    for (field, value) in [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
    ] {
        if job.pointer(&format!("/spec/{field}")).is_none() {
            spec.insert(field.to_owned(), value);
        }
    }
    // Without either it is one pod; with parallelism alone it is a work queue.
    if job.pointer("/spec/completions").is_none() && job.pointer("/spec/parallelism").is_none() {
        spec.insert("completions".to_owned(), json!(1));
    }
    let mut pod_labels = labels(job.pointer("/spec/template").unwrap_or(&Value::Null));
    pod_labels.insert(CONTROLLER_LABEL.to_owned(), uid(job).to_owned());
    pod_labels.insert(NAME_LABEL.to_owned(), name(job).to_owned());
    for (legacy, label) in LEGACY_LABELS {
        if let Some(value) = pod_labels.get(label).cloned() {
            pod_labels.insert(legacy.to_owned(), value);
        }
    }
    spec.insert(
        "selector".to_owned(),
        json!({"matchLabels": {CONTROLLER_LABEL: uid(job)}}),
    );
    spec.insert(
        "template".to_owned(),
        json!({"metadata": {"labels": pod_labels}}),
    );
    Some(json!({ "spec": spec }))
}

fn pod(job: &Value, suffix: &str) -> Value {
    let mut metadata = job
        .pointer("/spec/template/metadata")
        .cloned()
        .unwrap_or_default();
    let fields = crate::object::as_map(&mut metadata);
    fields.insert("generateName".to_owned(), json!(format!("{}-", name(job))));
    fields.insert("name".to_owned(), json!(format!("{}-{suffix}", name(job))));
    fields.insert("namespace".to_owned(), json!(namespace(job)));
    fields.insert(
        "ownerReferences".to_owned(),
        json!([controller_reference(job)]),
    );
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": job.pointer("/spec/template/spec").cloned().unwrap_or_default(),
    })
}

fn status(
    state: &State<'_>,
    tally: &Tally,
    verdict: Option<Verdict>,
    suspended: bool,
    context: Context<'_>,
) -> Value {
    let now = age::timestamp(context.now);
    let terminating = state.pods.iter().filter(|pod| is_terminating(pod)).count();
    let active = state.active().count();
    let mut conditions: Vec<Value> = list(state.job, "/status/conditions").to_vec();
    let mut completed = None;
    if suspended != has_condition(state.job, "Suspended") {
        conditions.retain(|condition| text(condition, "/type") != "Suspended");
        let (status, reason, message) = if suspended {
            ("True", "JobSuspended", "Job suspended")
        } else {
            ("False", "JobResumed", "Job resumed")
        };
        conditions.push(conditions::condition(
            "Suspended",
            status,
            reason,
            message,
            &now,
        ));
    }
    if let Some(verdict) = verdict {
        for condition in verdict.conditions(&conditions, active + terminating == 0, &now) {
            if text(&condition, "/type") == "Complete" {
                completed = Some(now.clone());
            }
            conditions.push(condition);
        }
    }
    let started = match text(state.job, "/status/startTime") {
        "" if suspended => None,
        "" => Some(now),
        since => Some(since.to_owned()),
    };
    let mut status = Map::new();
    for (field, count) in [
        ("active", i64::try_from(active).unwrap_or(i64::MAX)),
        ("succeeded", tally.succeeded),
        ("failed", tally.failed),
    ] {
        if count > 0 {
            status.insert(field.to_owned(), json!(count));
        }
    }
    let ready = state.active().filter(|pod| is_ready(pod)).count();
    status.insert("ready".to_owned(), json!(ready));
    status.insert("terminating".to_owned(), json!(terminating));
    if let Some(started) = started {
        status.insert("startTime".to_owned(), json!(started));
    }
    if let Some(completed) = completed {
        status.insert("completionTime".to_owned(), json!(completed));
    }
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), json!(conditions));
    }
    status.insert("countedPods".to_owned(), json!(tally.counted));
    Value::Object(status)
}

#[cfg(test)]
mod tests;
