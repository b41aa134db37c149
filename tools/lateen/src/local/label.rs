//! `label`.

use std::collections::BTreeMap;

use clap::Args;
use local::api::client::{Client, Which};
use local::object::{Key, labels};
use serde_json::{Map, Value, json};

use super::target::parse;
use crate::failure::Failure;
use crate::output;

/// Set or remove labels
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local label namespace default istio-injection=enabled
  lateen local label namespace default istio-injection=disabled --overwrite
  lateen local label namespace default istio-injection-
  lateen local label pod/NAME version=v2")]
pub(super) struct LabelArgs {
    /// KIND NAME... or KIND/NAME..., then KEY=VALUE to set and KEY- to remove
    #[arg(value_name = "KIND NAME KEY=VALUE", required = true)]
    words: Vec<String>,
    /// Replace values that are there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    scope: super::Scope,
}

/// What to do with one label: set it, or remove it.
pub(super) type Changes = BTreeMap<String, Option<String>>;

/// Tells objects from changes.
pub(super) fn split(words: &[String]) -> (Vec<String>, Changes) {
    let mut objects = Vec::new();
    let mut changes = Changes::new();
    for word in words {
        match (word.split_once('='), word.strip_suffix('-')) {
            (Some((key, value)), _) => {
                changes.insert(key.to_owned(), Some(value.to_owned()));
            }
            (None, Some(key)) if !key.is_empty() => {
                changes.insert(key.to_owned(), None);
            }
            _ => objects.push(word.clone()),
        }
    }
    (objects, changes)
}

/// The merge patch, or why it may not be made.
pub(super) fn patch(
    before: &BTreeMap<String, String>,
    changes: &Changes,
    overwrite: bool,
) -> Result<Map<String, Value>, String> {
    for (key, value) in changes {
        check(key, value.as_deref())?;
        if let (Some(there), Some(value), false) = (before.get(key), value, overwrite)
            && there != value
        {
            return Err(format!(
                "'{key}' already has a value ({there}), and --overwrite is false"
            ));
        }
    }
    Ok(changes
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect())
}

/// Label syntax: an optional prefix of a DNS name, then 63 characters of letters, digits, `-`, `_`, `.`.
fn check(key: &str, value: Option<&str>) -> Result<(), String> {
    let plain = |text: &str| {
        text.len() <= 63
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let name = key.split_once('/').map_or(key, |(_, name)| name);
    if !plain(name) {
        return Err(format!(
            "invalid label key {key:?}: it must be letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
        ));
    }
    match value {
        Some(value) if !value.is_empty() && !plain(value) => Err(format!(
            "invalid label value {value:?}: it must be letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
        )),
        _ => Ok(()),
    }
}

pub(super) async fn label(client: &Client, args: LabelArgs) -> Result<(), Failure> {
    let (objects, changes) = split(&args.words);
    if changes.is_empty() {
        return Err(Failure::error("at least one label update is required"));
    }
    for target in parse(&objects)? {
        if target.names.is_empty() {
            return Err(Failure::error(format!(
                "name a {}, as in {} NAME",
                target.kind, target.kind
            )));
        }
        for name in &target.names {
            one(client, &target.kind, name, &changes, &args).await?;
        }
    }
    Ok(())
}

async fn one(
    client: &Client,
    kind: &str,
    name: &str,
    changes: &Changes,
    args: &LabelArgs,
) -> Result<(), Failure> {
    let which = Which {
        namespace: Some(&args.scope.namespace),
        ..Which::default()
    };
    let named = Which {
        name: Some(name),
        ..which.clone()
    };
    let before = client.get(kind, &named).await?;
    let patch = patch(&labels(&before), changes, args.overwrite).map_err(Failure::error)?;
    let body = json!({"metadata": {"labels": patch}});
    let answer = client.patch(kind, name, &which, &body).await?;
    let object = answer.get("object").cloned().unwrap_or_default();
    let reference = Key::of(&object)
        .map(|key| key.reference())
        .unwrap_or_default();
    let changed = labels(&object) != labels(&before);
    let only_removed = changes.values().all(Option::is_none);
    let done = match (changed, only_removed) {
        (false, _) => "not labeled",
        (true, true) => "unlabeled",
        (true, false) => "labeled",
    };
    output::line(format!("{reference} {done}"))?;
    let set: BTreeMap<String, String> = changes
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
        .collect();
    for warning in injector::near_miss_labels(&set) {
        eprintln!("Warning: {warning}");
    }
    Ok(())
}
