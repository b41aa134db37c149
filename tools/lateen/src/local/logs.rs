//! `logs`.

use std::io::Write;

use clap::Args;
use http_body_util::BodyExt;
use local::api::client::Client;
use serde::Serialize;

use crate::failure::Failure;

/// Print a container's log
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local logs POD
  lateen local logs -f POD -c istio-proxy
  lateen local logs --tail 10 POD")]
pub(super) struct LogsArgs {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
    /// The container, when the pod has several
    #[arg(short, long)]
    container: Option<String>,
    /// Go on as the log grows
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    tail: Option<i64>,
    /// The container's run before the latest
    #[arg(short, long)]
    previous: bool,
    /// Each line with its time
    #[arg(long)]
    timestamps: bool,
    #[command(flatten)]
    scope: super::Scope,
}

#[derive(Serialize)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    follow: bool,
    previous: bool,
    timestamps: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<usize>,
}

pub(super) async fn logs(client: &Client, args: LogsArgs) -> Result<(), Failure> {
    let pod = args
        .pod
        .trim_start_matches("pods/")
        .trim_start_matches("pod/");
    let asked = Asked {
        container: args.container,
        follow: args.follow,
        previous: args.previous,
        timestamps: args.timestamps,
        // -1 is kubectl's word for everything.
        tail: args.tail.and_then(|count| usize::try_from(count).ok()),
    };
    let mut body = client.logs(&args.scope.namespace, pod, &asked).await?;
    let mut out = std::io::stdout();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::error(error.to_string()))?;
        if let Some(text) = frame.data_ref() {
            out.write_all(text)?;
            out.flush()?;
        }
    }
    Ok(())
}
