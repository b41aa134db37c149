//! `describe deployment` and `describe job`.

use serde_json::Value;
use time::OffsetDateTime;

use super::super::tabs::align;
use super::{annotations, events, map, pairs, plain, template, time_of};
use crate::controller::deployment::REVISION;
use crate::object::{age, integer, is_controlled_by, list, name, namespace, strings, text, uid};

/// Describes a Deployment. `sets` are the ReplicaSets of its namespace.
pub fn describe_deployment(
    object: &Value,
    sets: &[Value],
    events: &[Value],
    now: OffsetDateTime,
) -> String {
    let number = |pointer: &str| integer(object, pointer).unwrap_or(0);
    let mut out = format!(
        "Name:\t{}\nNamespace:\t{}\nCreationTimestamp:\t{}\n",
        name(object),
        namespace(object),
        time_of(text(object, "/metadata/creationTimestamp"))
    );
    map(&mut out, "", "Labels", &strings(object, "/metadata/labels"));
    annotations(&mut out, "", object);
    let selector = pairs(&strings(object, "/spec/selector/matchLabels"));
    out.push_str(&format!("Selector:\t{selector}\n"));
    out.push_str(&format!(
        "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable\n",
        integer(object, "/spec/replicas").unwrap_or(1),
        number("/status/updatedReplicas"),
        number("/status/replicas"),
        number("/status/availableReplicas"),
        number("/status/unavailableReplicas"),
    ));
    let strategy = match text(object, "/spec/strategy/type") {
        "" => "RollingUpdate",
        given => given,
    };
    out.push_str(&format!(
        "StrategyType:\t{strategy}\nMinReadySeconds:\t{}\n",
        number("/spec/minReadySeconds")
    ));
    if strategy == "RollingUpdate" {
        let part = |field: &str| {
            object
                .pointer(&format!("/spec/strategy/rollingUpdate/{field}"))
                .map_or_else(|| "25%".to_owned(), plain)
        };
        out.push_str(&format!(
            "RollingUpdateStrategy:\t{} max unavailable, {} max surge\n",
            part("maxUnavailable"),
            part("maxSurge")
        ));
    }
    template::write(
        &mut out,
        object.pointer("/spec/template").unwrap_or(&Value::Null),
    );
    out.push_str("Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------\n");
    for condition in list(object, "/status/conditions") {
        out.push_str(&format!(
            "  {} \t{}\t{}\n",
            text(condition, "/type"),
            text(condition, "/status"),
            text(condition, "/reason")
        ));
    }
    let (new, old) = revisions(object, sets);
    out.push_str(&format!("OldReplicaSets:\t{old}\nNewReplicaSet:\t{new}\n"));
    events::table(&mut out, events, now);
    align(&out)
}

/// The newest ReplicaSet, and the others that still have pods or had.
fn revisions(object: &Value, sets: &[Value]) -> (String, String) {
    let newest = revision(object);
    let shown = |set: &Value| {
        format!(
            "{} ({}/{} replicas created)",
            name(set),
            integer(set, "/status/replicas").unwrap_or(0),
            integer(set, "/spec/replicas").unwrap_or(1)
        )
    };
    let (new, old): (Vec<&Value>, Vec<&Value>) = sets
        .iter()
        .filter(|set| is_controlled_by(set, uid(object)))
        .partition(|set| revision(set) == newest);
    let line = |sets: Vec<&Value>| {
        let all: Vec<String> = sets.into_iter().map(shown).collect();
        super::or_none(all.join(", "))
    };
    (line(new), line(old))
}

fn revision(object: &Value) -> String {
    strings(object, "/metadata/annotations")
        .remove(REVISION)
        .unwrap_or_default()
}

/// Describes a Job.
pub fn describe_job(object: &Value, events: &[Value], now: OffsetDateTime) -> String {
    let number = |pointer: &str| integer(object, pointer).unwrap_or(0);
    let mut out = format!(
        "Name:\t{}\nNamespace:\t{}\n",
        name(object),
        namespace(object)
    );
    let selector = pairs(&strings(object, "/spec/selector/matchLabels"));
    out.push_str(&format!("Selector:\t{selector}\n"));
    map(&mut out, "", "Labels", &strings(object, "/metadata/labels"));
    annotations(&mut out, "", object);
    let mut field = |title: &str, value: &str| out.push_str(&format!("{title}:\t{value}\n"));
    field("Parallelism", &number("/spec/parallelism").to_string());
    let completions = integer(object, "/spec/completions");
    let completions = completions.map_or_else(|| "<unset>".to_owned(), |n| n.to_string());
    field("Completions", &completions);
    field("Completion Mode", text(object, "/spec/completionMode"));
    let suspended = object.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true);
    field("Suspend", &suspended.to_string());
    field("Backoff Limit", &number("/spec/backoffLimit").to_string());
    if let Some(seconds) = integer(object, "/spec/ttlSecondsAfterFinished") {
        field("TTL Seconds After Finished", &seconds.to_string());
    }
    let (started, completed) = (
        text(object, "/status/startTime"),
        text(object, "/status/completionTime"),
    );
    if !started.is_empty() {
        field("Start Time", &time_of(started));
    }
    if !completed.is_empty() {
        field("Completed At", &time_of(completed));
        if let (Some(started), Some(completed)) = (age::parse(started), age::parse(completed)) {
            field(
                "Duration",
                &age::human((completed - started).whole_seconds()),
            );
        }
    }
    if let Some(seconds) = integer(object, "/spec/activeDeadlineSeconds") {
        field("Active Deadline Seconds", &format!("{seconds}s"));
    }
    field(
        "Pods Statuses",
        &format!(
            "{} Active ({} Ready) / {} Succeeded / {} Failed",
            number("/status/active"),
            number("/status/ready"),
            number("/status/succeeded"),
            number("/status/failed")
        ),
    );
    template::write(
        &mut out,
        object.pointer("/spec/template").unwrap_or(&Value::Null),
    );
    events::table(&mut out, events, now);
    align(&out)
}
