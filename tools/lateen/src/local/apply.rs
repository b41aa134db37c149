//! `apply`.

use std::path::PathBuf;

use clap::Args;
use local::api::Apply;
use local::api::client::Client;
use local::manifest::Manifests;
use local::mesh::Applied;

use crate::failure::Failure;
use crate::output;

/// Create or change objects from files
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local apply -f deployment.yaml
  lateen local apply -f manifests/ -n probe
  cat deployment.yaml | lateen local apply -f -")]
pub(super) struct ApplyArgs {
    /// File, directory or - for standard input; may be repeated
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short = 'n', long)]
    namespace: Option<String>,
}

/// Reads files and prints what is wrong with them.
pub(super) fn read(paths: &[PathBuf]) -> Manifests {
    let mut manifests = Manifests::default();
    for path in paths {
        manifests.add_path(path);
    }
    for warning in &manifests.warnings {
        eprintln!("Warning: {warning}");
    }
    for error in &manifests.errors {
        eprintln!("error: {error}");
    }
    manifests
}

/// Prints outcomes as kubectl does; true when none was refused.
pub(super) fn report(results: &[Applied]) -> Result<bool, Failure> {
    let mut all = true;
    for applied in results {
        for warning in &applied.warnings {
            eprintln!("Warning: {warning}");
        }
        match (&applied.outcome, &applied.error) {
            (Some(outcome), _) => output::line(format!("{} {outcome}", applied.object))?,
            (None, error) => {
                all = false;
                eprintln!(
                    "Error from server: error when applying {}: {}",
                    applied.object,
                    error.as_deref().unwrap_or("unknown")
                );
            }
        }
    }
    Ok(all)
}

pub(super) async fn apply(client: &Client, args: ApplyArgs) -> Result<(), Failure> {
    let manifests = read(&args.filename);
    if manifests.objects.is_empty() && manifests.errors.is_empty() {
        return Err(Failure::error("no objects passed to apply"));
    }
    let request = Apply {
        objects: in_namespace(&manifests, args.namespace.as_deref()),
        namespace: args.namespace.unwrap_or_else(|| "default".to_owned()),
    };
    let answer = client.apply(&request).await?;
    let applied = report(&answer.results)?;
    if applied && manifests.errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::silent(1))
    }
}

/// The objects, those that were put into `default` for lack of a namespace moved to the one asked for.
pub(super) fn in_namespace(
    manifests: &Manifests,
    namespace: Option<&str>,
) -> Vec<serde_json::Value> {
    let mut objects = manifests.values();
    let Some(namespace) = namespace else {
        return objects;
    };
    for object in &mut objects {
        if let Some(there) = object.pointer_mut("/metadata/namespace")
            && there == "default"
        {
            *there = serde_json::Value::String(namespace.to_owned());
        }
    }
    objects
}
