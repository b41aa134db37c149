//! `delete`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use local::api::client::{Client, ClientError, Which};
use local::object::{Key, name, namespace, text, uid};
use serde_json::Value;

use super::apply::{in_namespace, read};
use super::target::parse;
use crate::failure::Failure;
use crate::output;

/// Delete objects
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local delete pod NAME
  lateen local delete deployment/web service/web
  lateen local delete -f manifests/
  lateen local delete pods -l app=web")]
pub(super) struct DeleteArgs {
    /// KIND NAME... or KIND/NAME...
    #[arg(value_name = "KIND", required_unless_present = "filename")]
    targets: Vec<String>,
    /// File, directory or - for standard input; may be repeated
    #[arg(short = 'f', long = "filename", num_args = 1.., value_name = "FILE", conflicts_with = "targets")]
    filename: Vec<PathBuf>,
    /// Labels of the objects to delete
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// All objects of the kind
    #[arg(long)]
    all: bool,
    /// Say nothing of objects that are not there
    #[arg(long)]
    ignore_not_found: bool,
    /// Seconds that pods have to end
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<i64>,
    /// Wait until the objects are gone
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    wait: bool,
    #[arg(short = 'n', long)]
    namespace: Option<String>,
}

/// One object to delete: kind (with group), namespace, name.
type Doomed = (String, String, String);

/// How often a deletion is looked after.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn delete(client: &Client, args: DeleteArgs) -> Result<(), Failure> {
    let mut failed = false;
    let doomed = if args.filename.is_empty() {
        by_target(client, &args).await?
    } else {
        let manifests = read(&args.filename);
        failed = !manifests.errors.is_empty();
        // The last first: what was made last may stand on what was made before.
        in_namespace(&manifests, args.namespace.as_deref())
            .iter()
            .rev()
            .filter_map(Key::of)
            .map(|key| (key.resource(), key.namespace, key.name))
            .collect()
    };
    let mut going = Vec::new();
    for (kind, namespace, name) in doomed {
        let which = Which {
            namespace: Some(&namespace),
            grace: args.grace_period,
            ..Which::default()
        };
        match client.delete(&kind, &name, &which).await {
            Ok(answer) => {
                output::line(format!("{} {name:?} deleted", text(&answer, "/resource")))?;
                going.push(answer.get("object").cloned().unwrap_or_default());
            }
            Err(ClientError::Refused(refused))
                if refused.reason == "NotFound" && args.ignore_not_found => {}
            Err(error) => {
                failed = true;
                eprintln!("{}", Failure::from(error).message);
            }
        }
    }
    if args.wait {
        for object in &going {
            gone(client, object).await?;
        }
    }
    if failed {
        return Err(Failure::silent(1));
    }
    Ok(())
}

async fn by_target(client: &Client, args: &DeleteArgs) -> Result<Vec<Doomed>, Failure> {
    let namespace = args.namespace.as_deref().unwrap_or("default");
    let mut doomed = Vec::new();
    for target in parse(&args.targets)? {
        if target.names.is_empty() && args.selector.is_none() && !args.all {
            return Err(Failure::error(
                "resource(s) were provided, but no name was specified",
            ));
        }
        if target.names.is_empty() {
            let which = Which {
                namespace: Some(namespace),
                selector: args.selector.as_deref(),
                ..Which::default()
            };
            let found = client.get(&target.kind, &which).await?;
            for object in local::object::list(&found, "/items") {
                doomed.push((
                    target.kind.clone(),
                    namespace.to_owned(),
                    name(object).to_owned(),
                ));
            }
        }
        for name in target.names {
            doomed.push((target.kind.clone(), namespace.to_owned(), name));
        }
    }
    if doomed.is_empty() {
        output::line("No resources found")?;
    }
    Ok(doomed)
}

/// Waits until the object with this uid is not there any more.
async fn gone(client: &Client, object: &Value) -> Result<(), Failure> {
    let Some(key) = Key::of(object) else {
        return Ok(());
    };
    let which = Which {
        namespace: Some(namespace(object)),
        name: Some(&key.name),
        ..Which::default()
    };
    loop {
        match client.get(&key.resource(), &which).await {
            Ok(there) if uid(&there) == uid(object) => tokio::time::sleep(LOOK).await,
            Ok(_) | Err(ClientError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
