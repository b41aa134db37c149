//! Printing what was found.

use local::object::Key;
use local::print::tables::table;
use local::print::{json, yaml};
use serde_json::Value;
use time::OffsetDateTime;

use super::format::Format;
use super::{GetArgs, Group, Target};
use crate::failure::Failure;
use crate::output;

pub(super) fn print(targets: &[Target], groups: &[Group], args: &GetArgs) -> Result<(), Failure> {
    let all: Vec<Value> = groups.iter().flat_map(|g| g.objects.clone()).collect();
    let single = matches!(targets, [target] if target.names.len() == 1);
    match &args.output {
        None | Some(Format::Wide) => print_tables(targets, groups, args),
        Some(format) => print_as(format, &all, single, !args.no_headers),
    }
}

/// Prints objects in a format that is no table of ours.
pub(super) fn print_as(
    format: &Format,
    all: &[Value],
    single: bool,
    headings: bool,
) -> Result<(), Failure> {
    match format {
        Format::Yaml => output::text(&yaml(all, single).map_err(Failure::error)?),
        Format::Json => output::text(&json(all, single).map_err(Failure::error)?),
        Format::Name => all
            .iter()
            .filter_map(Key::of)
            .try_for_each(|key| output::line(key.reference())),
        Format::JsonPath(template) => {
            output::text(&template.print(&local::print::whole(all, single)))
        }
        Format::Columns(columns) => output::text(&columns.table(all, headings)),
        // The caller's own.
        Format::Wide => Ok(()),
    }
}

fn print_tables(targets: &[Target], groups: &[Group], args: &GetArgs) -> Result<(), Failure> {
    let filled: Vec<&Group> = groups.iter().filter(|g| !g.objects.is_empty()).collect();
    let asked_by_name = targets.iter().any(|target| !target.names.is_empty());
    if filled.is_empty() && !asked_by_name && !groups.is_empty() {
        let namespaced = groups
            .iter()
            .any(|group| local::object::kinds::is_namespaced(&group.kind));
        if args.all_namespaces || !namespaced {
            eprintln!("No resources found");
        } else {
            eprintln!("No resources found in {} namespace.", args.scope.namespace);
        }
    }
    let several = targets.len() > 1 && groups.len() > 1;
    for (index, group) in filled.iter().enumerate() {
        if index > 0 {
            output::line("")?;
        }
        let prefix = match group.objects.first().and_then(Key::of) {
            Some(key) if several => format!("{}/", key.resource()),
            _ => String::new(),
        };
        let namespaced = local::object::kinds::is_namespaced(&group.kind);
        let shown = table(
            &group.kind,
            &group.objects,
            args.all_namespaces && namespaced,
            args.output == Some(Format::Wide),
            &prefix,
            OffsetDateTime::now_utc(),
        );
        let skipped = usize::from(args.no_headers);
        for line in shown.lines().skip(skipped) {
            output::line(line)?;
        }
    }
    Ok(())
}
