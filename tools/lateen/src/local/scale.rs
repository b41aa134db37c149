//! `scale`.

use clap::Args;
use local::api::client::{Client, Which};
use local::object::Key;
use serde_json::json;

use super::target::one;
use crate::failure::Failure;
use crate::output;

/// Set the number of pods
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lateen local scale deployment/web --replicas 5")]
pub(super) struct ScaleArgs {
    /// deployment NAME or deployment/NAME
    #[arg(value_name = "DEPLOYMENT", required = true)]
    target: Vec<String>,
    /// How many pods
    #[arg(long)]
    replicas: u32,
    #[command(flatten)]
    scope: super::Scope,
}

pub(super) async fn scale(client: &Client, args: ScaleArgs) -> Result<(), Failure> {
    let (kind, name) = one(&args.target)?;
    let known = local::object::kinds::by_word(&kind);
    if !known.is_some_and(|known| matches!(known.kind, "Deployment" | "ReplicaSet")) {
        return Err(Failure::error(format!("cannot scale a {kind}")));
    }
    let which = Which {
        namespace: Some(&args.scope.namespace),
        ..Which::default()
    };
    let patch = json!({"spec": {"replicas": args.replicas}});
    let answer = client.patch(&kind, &name, &which, &patch).await?;
    let reference = answer
        .get("object")
        .and_then(Key::of)
        .map_or(format!("{kind}/{name}"), |key| key.reference());
    output::line(format!("{reference} scaled"))
}
