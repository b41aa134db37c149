//! `rollout restart`, `status`, `history` and `undo`.

mod history;

use std::time::Duration;

use clap::{Args, Subcommand};
use local::api::client::{Client, Which};
use local::object::{age, integer, name, text};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::target::one;
use crate::failure::Failure;
use crate::output;

/// Restart a Deployment, wait for its rollout, look at its history or go back
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local rollout restart deployment web
  lateen local rollout status deployment/web --timeout 60s
  lateen local rollout history deployment/web --revision 2
  lateen local rollout undo deployment/web")]
pub(super) struct RolloutArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replace all pods, step by step
    Restart(Named),
    /// Show the revisions that can be gone back to
    History {
        #[command(flatten)]
        named: Named,
        /// The pod template of one revision
        #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
        revision: i64,
    },
    /// Go back to an earlier revision
    Undo {
        #[command(flatten)]
        named: Named,
        /// The revision; 0 for the one before
        #[arg(long, default_value_t = 0, value_name = "N")]
        to_revision: i64,
    },
    /// Wait until all pods are of the newest template and available
    Status {
        #[command(flatten)]
        named: Named,
        /// How long to wait, such as 60s or 5m; 0s for ever
        #[arg(long, default_value = "0s", value_parser = duration)]
        timeout: Duration,
        /// Wait, rather than print how far it is
        #[arg(short, long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
        watch: bool,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// deployment NAME or deployment/NAME
    #[arg(value_name = "DEPLOYMENT", required = true)]
    target: Vec<String>,
    #[command(flatten)]
    scope: super::Scope,
}

fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration: write 60s, 5m or 1h");
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(bad()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

pub(super) async fn rollout(client: &Client, args: RolloutArgs) -> Result<(), Failure> {
    match args.command {
        Command::Restart(named) => restart(client, &named).await,
        Command::History { named, revision } => history::history(client, &named, revision).await,
        Command::Undo { named, to_revision } => history::undo(client, &named, to_revision).await,
        Command::Status {
            named,
            timeout,
            watch,
        } => {
            let watching = status(client, &named, watch);
            if timeout.is_zero() {
                return watching.await;
            }
            tokio::time::timeout(timeout, watching)
                .await
                .unwrap_or_else(|_| Err(Failure::error("timed out waiting for the condition")))
        }
    }
}

fn deployment(named: &Named) -> Result<(String, String), Failure> {
    let (kind, name) = one(&named.target)?;
    match local::object::kinds::by_word(&kind) {
        Some(known) if known.kind == "Deployment" => Ok((kind, name)),
        _ => Err(Failure::error(format!(
            "rollout works on deployments here, not on {kind}"
        ))),
    }
}

async fn restart(client: &Client, named: &Named) -> Result<(), Failure> {
    let (kind, name) = deployment(named)?;
    let which = Which {
        namespace: Some(&named.scope.namespace),
        ..Which::default()
    };
    let at = age::timestamp(OffsetDateTime::now_utc());
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": at}}}}});
    let answer = client.patch(&kind, &name, &which, &patch).await?;
    if text(&answer, "/outcome") == "unchanged" {
        return Err(Failure::error(format!(
            "failed to patch: if restart has already been triggered within the past second, please wait before attempting to trigger another (deployment {name:?})"
        )));
    }
    output::line(format!("deployment.apps/{name} restarted"))
}

/// How far a rollout is, in kubectl's words; true when it is done.
pub(super) fn progress(deployment: &Value) -> (String, bool) {
    let number = |pointer: &str| integer(deployment, pointer).unwrap_or(0);
    let shown = name(deployment);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return (
            "Waiting for deployment spec update to be observed...".to_owned(),
            false,
        );
    }
    let wanted = integer(deployment, "/spec/replicas").unwrap_or(1);
    let (updated, all, available) = (
        number("/status/updatedReplicas"),
        number("/status/replicas"),
        number("/status/availableReplicas"),
    );
    if updated < wanted {
        return (
            format!(
                "Waiting for deployment {shown:?} rollout to finish: {updated} out of {wanted} new replicas have been updated..."
            ),
            false,
        );
    }
    if all > updated {
        return (
            format!(
                "Waiting for deployment {shown:?} rollout to finish: {} old replicas are pending termination...",
                all - updated
            ),
            false,
        );
    }
    if available < updated {
        return (
            format!(
                "Waiting for deployment {shown:?} rollout to finish: {available} of {updated} updated replicas are available..."
            ),
            false,
        );
    }
    (
        format!("deployment {shown:?} successfully rolled out"),
        true,
    )
}

async fn status(client: &Client, named: &Named, watch: bool) -> Result<(), Failure> {
    let (kind, name) = deployment(named)?;
    let which = Which {
        namespace: Some(&named.scope.namespace),
        name: Some(&name),
        ..Which::default()
    };
    let mut said = String::new();
    loop {
        let (line, done) = progress(&client.get(&kind, &which).await?);
        if line != said {
            output::line(&line)?;
            said = line;
        }
        if done || !watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
