//! `get --watch`.

use std::collections::BTreeSet;

use local::api::client::{Client, Which};
use local::api::lines::Lines;
use local::object::{Key, list, text, uid};
use local::print::table::render_on;
use local::print::tables::rows;
use serde_json::Value;
use time::OffsetDateTime;

use super::format::Format;
use super::show::print_as;
use super::{GetArgs, Target, which};
use crate::failure::Failure;
use crate::output;

/// Shows the objects of one kind and each change of them, until interrupted or the mesh ends.
pub(super) async fn watch(
    client: &Client,
    targets: &[Target],
    args: &GetArgs,
) -> Result<(), Failure> {
    let [target] = targets else {
        return Err(Failure::error(
            "you may only specify a single resource type with --watch",
        ));
    };
    let name = match target.names.as_slice() {
        [] => None,
        [name] => Some(name.as_str()),
        _ => {
            return Err(Failure::error(
                "--watch shows one object or all of a kind: name one, or none",
            ));
        }
    };
    let which = Which {
        name,
        ..which(args)
    };
    // What is not there is said as without --watch.
    let there = client.get(&target.kind, &which).await?;
    let there = match name {
        Some(_) => vec![there],
        None => list(&there, "/items").to_vec(),
    };
    let mut lines = Lines::new(client.watch(&target.kind, &which).await?);
    let mut shown = Shown::default();
    let known: BTreeSet<(String, String)> = there.iter().map(version).collect();
    if !args.watch_only {
        let meant: Vec<Value> = there.into_iter().filter(|o| is_meant(o, args)).collect();
        shown.print(&meant, args)?;
    }
    while let Some(line) = lines.next().await? {
        let change: Value =
            serde_json::from_str(&line).map_err(|error| Failure::error(error.to_string()))?;
        let Some(object) = change.get("object") else {
            continue;
        };
        let is_known = text(&change, "/type") == "ADDED" && known.contains(&version(object));
        if !is_known && is_meant(object, args) {
            shown.print(std::slice::from_ref(object), args)?;
        }
    }
    Ok(())
}

fn is_meant(object: &Value, args: &GetArgs) -> bool {
    args.field_selector
        .as_ref()
        .is_none_or(|selector| selector.matches(object))
}

/// What tells one state of an object from all others.
fn version(object: &Value) -> (String, String) {
    let version = text(object, "/metadata/resourceVersion");
    (uid(object).to_owned(), version.to_owned())
}

/// What was printed so far.
#[derive(Default)]
struct Shown {
    widths: Vec<usize>,
    headings: bool,
}

impl Shown {
    fn print(&mut self, objects: &[Value], args: &GetArgs) -> Result<(), Failure> {
        let Some(object) = objects.first() else {
            return Ok(());
        };
        let first = !std::mem::replace(&mut self.headings, true);
        let headings = first && !args.no_headers;
        match &args.output {
            None | Some(Format::Wide) => {
                let namespaced = Key::of(object).is_some_and(|key| !key.namespace.is_empty());
                let rows = rows(
                    text(object, "/kind"),
                    objects,
                    args.all_namespaces && namespaced,
                    args.output == Some(Format::Wide),
                    "",
                    OffsetDateTime::now_utc(),
                );
                let text = render_on(&rows, &mut self.widths);
                for line in text.lines().skip(usize::from(!headings)) {
                    output::line(line)?;
                }
                Ok(())
            }
            Some(format) => {
                if *format == Format::Yaml && !first {
                    output::line("---")?;
                }
                for one in objects {
                    print_as(format, std::slice::from_ref(one), true, headings)?;
                }
                Ok(())
            }
        }
    }
}
