//! `get`.

use clap::{Args, ValueEnum};
use local::api::client::{Client, Which};
use local::object::{Key, text};
use local::print::tables::table;
use local::print::{json, yaml};
use serde_json::Value;
use time::OffsetDateTime;

use super::target::{Target, parse};
use crate::failure::Failure;
use crate::output;

/// Show objects
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local get pods
  lateen local get pods -o wide -A
  lateen local get services,deployments -n istio-system
  lateen local get pod/NAME -o yaml
  lateen local get endpointslices -l kubernetes.io/service-name=web")]
pub(super) struct GetArgs {
    /// KIND [NAME...], KIND/NAME..., KIND,KIND or all
    #[arg(value_name = "KIND", required = true)]
    targets: Vec<String>,
    #[command(flatten)]
    scope: super::Scope,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// How to print
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    /// Labels that objects must have
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Leave the table's headings out
    #[arg(long)]
    no_headers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Wide,
    Yaml,
    Json,
    Name,
}

/// Objects of one kind.
struct Group {
    kind: String,
    objects: Vec<Value>,
}

pub(super) async fn get(client: &Client, args: GetArgs) -> Result<(), Failure> {
    let targets = parse(&args.targets)?;
    let mut failures = Vec::new();
    let mut groups = Vec::new();
    for target in &targets {
        match fetch(client, target, &args, &mut failures).await {
            Ok(group) => groups.push(group),
            Err(failure) => failures.push(failure.message),
        }
    }
    print(&targets, &groups, &args)?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::plain(failures.join("\n")))
    }
}

async fn fetch(
    client: &Client,
    target: &Target,
    args: &GetArgs,
    failures: &mut Vec<String>,
) -> Result<Group, Failure> {
    let namespace = (!args.all_namespaces).then_some(args.scope.namespace.as_str());
    let which = Which {
        namespace,
        selector: args.selector.as_deref(),
        ..Which::default()
    };
    if target.names.is_empty() {
        let found = client.get(&target.kind, &which).await?;
        return Ok(Group {
            kind: text(&found, "/itemKind").to_owned(),
            objects: found
                .get("items")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        });
    }
    if args.all_namespaces {
        return Err(Failure::error(
            "a resource cannot be retrieved by name across all namespaces",
        ));
    }
    let mut objects = Vec::new();
    for name in &target.names {
        let one = Which {
            name: Some(name),
            ..which.clone()
        };
        match client.get(&target.kind, &one).await {
            Ok(object) => objects.push(object),
            Err(error) => failures.push(Failure::from(error).message),
        }
    }
    Ok(Group {
        kind: objects
            .first()
            .map(|object| text(object, "/kind").to_owned())
            .unwrap_or_default(),
        objects,
    })
}

fn print(targets: &[Target], groups: &[Group], args: &GetArgs) -> Result<(), Failure> {
    let all: Vec<Value> = groups.iter().flat_map(|g| g.objects.clone()).collect();
    let single = matches!(targets, [target] if target.names.len() == 1);
    match args.output {
        Some(Format::Yaml) => output::text(&yaml(&all, single).map_err(Failure::error)?)?,
        Some(Format::Json) => output::text(&json(&all, single).map_err(Failure::error)?)?,
        Some(Format::Name) => {
            for key in all.iter().filter_map(Key::of) {
                output::line(key.reference())?;
            }
        }
        None | Some(Format::Wide) => print_tables(targets, groups, args)?,
    }
    Ok(())
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
