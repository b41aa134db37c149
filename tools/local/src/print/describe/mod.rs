//! `describe`, as kubectl prints it: namespace, pod, service, deployment, job, and any other object as name, labels,
//! annotations and spec.

mod containers;
mod events;
mod pod;
mod service;
mod template;
mod volumes;
mod workload;

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

use super::tabs::align;
use crate::object::{age, name, namespace, strings, text};
use crate::store::apply::LAST_APPLIED;

pub use events::of as events_of;
pub use pod::describe_pod;
pub use service::describe_service;
pub use workload::{describe_deployment, describe_job};

/// The longest annotation that is shown on one line.
const LONGEST_ANNOTATION: usize = 140;

/// Describes a Namespace, which as in kubectl has no events of its own.
pub fn describe_namespace(object: &Value) -> String {
    let mut out = format!("Name:\t{}\n", name(object));
    map(&mut out, "", "Labels", &strings(object, "/metadata/labels"));
    annotations(&mut out, "", object);
    out.push_str(&format!("Status:\t{}\n", text(object, "/status/phase")));
    align(&out) + "\nNo resource quota.\n\nNo LimitRange resource.\n"
}

/// Describes a pod template alone, as `rollout history --revision` shows it.
pub fn describe_template(pod_template: &Value) -> String {
    let mut out = String::new();
    template::write(&mut out, pod_template);
    align(&out)
}

/// Describes an object of any other kind.
pub fn describe_other(object: &Value, events: &[Value], now: OffsetDateTime) -> String {
    let mut out = String::new();
    head(&mut out, object);
    out.push_str(&format!("API Version:\t{}\n", text(object, "/apiVersion")));
    out.push_str(&format!("Kind:\t{}\n", text(object, "/kind")));
    let mut out = align(&out);
    for field in ["spec", "data", "status"] {
        let Some(value) = object.get(field) else {
            continue;
        };
        let body = serde_saphyr::to_string(value).unwrap_or_default();
        out.push_str(&format!("{field}:\n"));
        out.extend(body.lines().map(|line| format!("  {line}\n")));
    }
    let mut told = String::new();
    events::table(&mut told, events, now);
    out + &align(&told)
}

fn head(out: &mut String, object: &Value) {
    out.push_str(&format!("Name:\t{}\n", name(object)));
    if !namespace(object).is_empty() {
        out.push_str(&format!("Namespace:\t{}\n", namespace(object)));
    }
    map(out, "", "Labels", &strings(object, "/metadata/labels"));
    annotations(out, "", object);
}

/// One `key=value` a line, the title before the first.
fn map(out: &mut String, indent: &str, title: &str, map: &BTreeMap<String, String>) {
    out.push_str(&format!("{indent}{title}:\t"));
    if map.is_empty() {
        out.push_str("<none>\n");
    }
    for (index, (key, value)) in map.iter().enumerate() {
        let before = if index == 0 { "" } else { "\t" };
        out.push_str(&format!("{before}{key}={value}\n"));
    }
}

/// What was applied is left out, as kubectl does.
fn annotations(out: &mut String, indent: &str, object: &Value) {
    let mut all = strings(object, "/metadata/annotations");
    all.remove(LAST_APPLIED);
    out.push_str(&format!("{indent}Annotations:\t"));
    if all.is_empty() {
        out.push_str("<none>\n");
    }
    for (index, (key, value)) in all.iter().enumerate() {
        let before = if index == 0 { "" } else { "\t" };
        let value = value.trim_end_matches('\n');
        if key.len() + value.len() + 2 <= LONGEST_ANNOTATION && !value.contains('\n') {
            out.push_str(&format!("{before}{key}: {value}\n"));
            continue;
        }
        out.push_str(&format!("{before}{key}:\n"));
        for line in value.lines() {
            let shown = match line.char_indices().nth(LONGEST_ANNOTATION - 2) {
                Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
                None => line.to_owned(),
            };
            out.push_str(&format!("\t  {shown}\n"));
        }
    }
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
    or_none(all.join(","))
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

/// A Kubernetes time as `describe` shows it (RFC 1123 with a numeric zone); what cannot be read, as it is.
fn time_of(stamp: &str) -> String {
    age::parse(stamp)
        .and_then(|at| {
            at.format(format_description!(
                "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
            ))
            .ok()
        })
        .unwrap_or_else(|| stamp.to_owned())
}

/// A number, a quantity or a text as YAML would show it.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
