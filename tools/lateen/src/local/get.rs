//! `get`.

mod format;
mod order;
mod show;
mod watch;

use clap::Args;
use local::api::client::{Client, Which};
use local::object::text;
use serde_json::Value;

use super::target::{Target, parse};
use crate::failure::Failure;
use format::Format;
use order::{FieldSelector, SortBy};

/// Show objects
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local get pods
  lateen local get pods -o wide -A
  lateen local get services,deployments -n istio-system
  lateen local get pod/NAME -o yaml
  lateen local get pods -w
  lateen local get events --field-selector involvedObject.name=NAME
  lateen local get pods -o jsonpath='{.items[*].status.podIP}'
  lateen local get pods -o custom-columns=NAME:.metadata.name,IP:.status.podIP
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
    /// How to print: wide, yaml, json, name, jsonpath=TEMPLATE or custom-columns=HEADING:PATH,...
    #[arg(short, long, value_name = "FORMAT", value_parser = format::parse)]
    output: Option<Format>,
    /// Labels that objects must have
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Fields that objects must have, such as status.phase=Running
    #[arg(long, value_name = "FIELD=VALUE", value_parser = order::selector)]
    field_selector: Option<FieldSelector>,
    /// The field to sort by, such as .metadata.creationTimestamp
    #[arg(long, value_name = "PATH", value_parser = order::sort_by)]
    sort_by: Option<SortBy>,
    /// Show the objects, then every change of them until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    /// As --watch, without the objects that are there at the beginning
    #[arg(long)]
    watch_only: bool,
    /// Leave the table's headings out
    #[arg(long)]
    no_headers: bool,
}

/// Objects of one kind.
struct Group {
    kind: String,
    objects: Vec<Value>,
}

pub(super) async fn get(client: &Client, args: GetArgs) -> Result<(), Failure> {
    let targets = parse(&args.targets)?;
    if args.watch || args.watch_only {
        return watch::watch(client, &targets, &args).await;
    }
    let mut failures = Vec::new();
    let mut groups = Vec::new();
    for target in &targets {
        match fetch(client, target, &args, &mut failures).await {
            Ok(group) => groups.push(arranged(group, &args)),
            Err(failure) => failures.push(failure.message),
        }
    }
    show::print(&targets, &groups, &args)?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::plain(failures.join("\n")))
    }
}

/// Only what was asked for by field, in the order that was asked for.
fn arranged(mut group: Group, args: &GetArgs) -> Group {
    if let Some(selector) = &args.field_selector {
        group.objects.retain(|object| selector.matches(object));
    }
    if let Some(by) = &args.sort_by {
        by.sort(&mut group.objects);
    }
    group
}

async fn fetch(
    client: &Client,
    target: &Target,
    args: &GetArgs,
    failures: &mut Vec<String>,
) -> Result<Group, Failure> {
    let which = which(args);
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

fn which(args: &GetArgs) -> Which<'_> {
    Which {
        namespace: (!args.all_namespaces).then_some(args.scope.namespace.as_str()),
        selector: args.selector.as_deref(),
        ..Which::default()
    }
}
