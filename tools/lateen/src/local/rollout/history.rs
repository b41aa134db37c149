//! `rollout history` and `rollout undo`: a Deployment's revisions are its ReplicaSets.

use local::api::client::{Client, Which};
use local::controller::deployment::REVISION;
use local::controller::template::HASH_LABEL;
use local::object::{is_controlled_by, list, strings, uid};
use local::print::describe::describe_template;
use local::print::tabs::align;
use serde_json::{Map, Value, json};

use super::{Named, deployment};
use crate::failure::Failure;
use crate::output;

/// Why a revision came to be, where someone noted it.
const CAUSE: &str = "kubernetes.io/change-cause";

/// One revision of a Deployment.
struct Revision {
    number: i64,
    set: Value,
}

pub(super) async fn history(client: &Client, named: &Named, one: i64) -> Result<(), Failure> {
    let (object, name) = find(client, named).await?;
    let revisions = revisions(client, named, &object).await?;
    if one > 0 {
        let revision = revisions
            .iter()
            .find(|revision| revision.number == one)
            .ok_or_else(|| {
                Failure::error(format!("unable to find the specified revision {one}"))
            })?;
        return output::text(&format!(
            "deployment.apps/{name} with revision #{one}\n{}",
            describe_template(&template(&revision.set))
        ));
    }
    let mut table = "REVISION\tCHANGE-CAUSE\n".to_owned();
    for revision in &revisions {
        let cause = strings(&revision.set, "/metadata/annotations").remove(CAUSE);
        let cause = cause.unwrap_or_else(|| "<none>".to_owned());
        table.push_str(&format!("{}\t{cause}\n", revision.number));
    }
    output::text(&format!("deployment.apps/{name} \n{}\n", align(&table)))
}

pub(super) async fn undo(client: &Client, named: &Named, to: i64) -> Result<(), Failure> {
    let (object, name) = find(client, named).await?;
    let revisions = revisions(client, named, &object).await?;
    let target = choose(&revisions, to).map_err(Failure::error)?;
    let wanted = template(&target.set);
    let current = object
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    if wanted == current {
        return output::line(format!(
            "deployment.apps/{name} skipped rollback (current template already matches revision {})",
            target.number
        ));
    }
    let which = Which {
        namespace: Some(&named.scope.namespace),
        ..Which::default()
    };
    let patch = json!({"spec": {"template": replacing(&current, &wanted)}});
    client.patch("deployment", &name, &which, &patch).await?;
    output::line(format!("deployment.apps/{name} rolled back"))
}

async fn find(client: &Client, named: &Named) -> Result<(Value, String), Failure> {
    let (kind, name) = deployment(named)?;
    let which = Which {
        namespace: Some(&named.scope.namespace),
        name: Some(&name),
        ..Which::default()
    };
    Ok((client.get(&kind, &which).await?, name))
}

/// The revisions of the Deployment, oldest first.
async fn revisions(
    client: &Client,
    named: &Named,
    object: &Value,
) -> Result<Vec<Revision>, Failure> {
    let which = Which {
        namespace: Some(&named.scope.namespace),
        ..Which::default()
    };
    let sets = client.get("replicasets", &which).await?;
    let mut revisions: Vec<Revision> = list(&sets, "/items")
        .iter()
        .filter(|set| is_controlled_by(set, uid(object)))
        .filter_map(|set| {
            let number = strings(set, "/metadata/annotations").remove(REVISION)?;
            Some(Revision {
                number: number.parse().ok()?,
                set: set.clone(),
            })
        })
        .collect();
    revisions.sort_by_key(|revision| revision.number);
    Ok(revisions)
}

/// The revision to go back to: the one asked for, or the one before the newest.
fn choose(revisions: &[Revision], to: i64) -> Result<&Revision, String> {
    if to > 0 {
        return revisions
            .iter()
            .find(|revision| revision.number == to)
            .ok_or_else(|| format!("unable to find specified revision {to} in history"));
    }
    revisions
        .iter()
        .rev()
        .nth(1)
        .ok_or_else(|| "no rollout history found".to_owned())
}

/// The template as the Deployment had it, without what the controller added.
fn template(set: &Value) -> Value {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(Value::Object(labels)) = template.pointer_mut("/metadata/labels") {
        labels.remove(HASH_LABEL);
    }
    template
}

/// A merge patch that turns `from` into `to`: what only `from` has is removed.
fn replacing(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for field in from.keys().filter(|field| !to.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    for (field, value) in to {
        let before = from.get(field).unwrap_or(&Value::Null);
        if before != value {
            patch.insert(field.clone(), replacing(before, value));
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use local::object::merge_patch;

    fn revision(number: i64) -> Revision {
        Revision {
            number,
            set: Value::Null,
        }
    }

    #[test]
    fn undo_goes_to_the_revision_before_the_newest_or_to_the_one_asked_for() {
        let all = [revision(1), revision(3), revision(4)];
        assert_eq!(choose(&all, 0).unwrap().number, 3);
        assert_eq!(choose(&all, 1).unwrap().number, 1);
        assert_eq!(
            choose(&all, 2).map(|r| r.number).unwrap_err(),
            "unable to find specified revision 2 in history"
        );
        assert_eq!(
            choose(&all[..1], 0).map(|r| r.number).unwrap_err(),
            "no rollout history found"
        );
    }

    #[test]
    fn a_template_is_turned_back_whole() {
        let new = json!({"metadata": {"annotations": {"restartedAt": "t"}, "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "new"}], "hostname": "h"}});
        let old = json!({"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "old"}]}});
        let mut turned = new.clone();
        merge_patch(&mut turned, &replacing(&new, &old));
        assert_eq!(turned, old);
    }
}
