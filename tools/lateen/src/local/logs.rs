//! `logs`.

use std::io::Write;

use clap::Args;
use local::api::client::{Client, Which};
use local::api::lines::Lines;
use local::object::{list, name, strings, text};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::failure::Failure;

/// Print containers' logs
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local logs POD
  lateen local logs -f POD -c istio-proxy
  lateen local logs --tail 10 POD
  lateen local logs deployment/web --all-containers
  lateen local logs -f -l app=web --prefix")]
pub(super) struct LogsArgs {
    /// NAME, pod/NAME, deployment/NAME or job/NAME
    #[arg(
        value_name = "POD",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    pod: Option<String>,
    /// The container, when the pod has several; may also stand after the pod
    #[arg(value_name = "CONTAINER", conflicts_with = "container")]
    positional: Option<String>,
    /// The container, when the pod has several
    #[arg(short, long)]
    container: Option<String>,
    /// All containers of each pod, its sidecars and init containers too
    #[arg(long, conflicts_with_all = ["container", "positional"])]
    all_containers: bool,
    /// Every pod with these labels
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Each line with its pod and container
    #[arg(long)]
    prefix: bool,
    /// Go on as the log grows
    #[arg(short, long)]
    follow: bool,
    /// Logs that are followed at once at most
    #[arg(long, default_value_t = 5, value_name = "N")]
    max_log_requests: usize,
    /// Only the last lines [default: all; with a selector 10]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    tail: Option<i64>,
    /// The container's run before the latest
    #[arg(short, long)]
    previous: bool,
    /// Each line with its time
    #[arg(long)]
    timestamps: bool,
    /// Go on with other logs when one cannot be read
    #[arg(long)]
    ignore_errors: bool,
    #[command(flatten)]
    scope: super::Scope,
}

/// Lines of each log that a selector shows.
const FEW: i64 = 10;

#[derive(Debug, Clone, Serialize)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    follow: bool,
    previous: bool,
    timestamps: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<usize>,
}

/// One log to print.
struct Source {
    pod: String,
    container: Option<String>,
    prefix: String,
}

pub(super) async fn logs(client: &Client, args: LogsArgs) -> Result<(), Failure> {
    let pods = pods(client, &args).await?;
    let sources: Vec<Source> = pods.iter().flat_map(|pod| sources(pod, &args)).collect();
    if args.follow && sources.len() > args.max_log_requests {
        return Err(Failure::error(format!(
            "you are attempting to follow {} log streams, but maximum allowed concurrency is {}, use --max-log-requests to increase the limit",
            sources.len(),
            args.max_log_requests
        )));
    }
    let few = args.selector.as_ref().map(|_| FEW);
    let asked = Asked {
        container: None,
        follow: args.follow,
        previous: args.previous,
        timestamps: args.timestamps,
        // -1 is kubectl's word for everything.
        tail: args
            .tail
            .or(few)
            .and_then(|count| usize::try_from(count).ok()),
    };
    if !args.follow {
        for source in sources {
            let printed = print(client, &args.scope.namespace, source, asked.clone()).await;
            tolerate(printed, args.ignore_errors)?;
        }
        return Ok(());
    }
    let mut following = JoinSet::new();
    for source in sources {
        let (client, namespace) = (client.clone(), args.scope.namespace.clone());
        let asked = asked.clone();
        following.spawn(async move { print(&client, &namespace, source, asked).await });
    }
    while let Some(ended) = following.join_next().await {
        let printed = ended.map_err(|error| Failure::error(error.to_string()))?;
        tolerate(printed, args.ignore_errors)?;
    }
    Ok(())
}

fn tolerate(printed: Result<(), Failure>, ignore: bool) -> Result<(), Failure> {
    match printed {
        Err(failure) if ignore && !failure.message.is_empty() => {
            eprintln!("{}", failure.message);
            Ok(())
        }
        other => other,
    }
}

/// The pods that are meant.
async fn pods(client: &Client, args: &LogsArgs) -> Result<Vec<Value>, Failure> {
    let which = Which {
        namespace: Some(&args.scope.namespace),
        ..Which::default()
    };
    let selected = async |selector: &str| -> Result<Vec<Value>, Failure> {
        let which = Which {
            selector: Some(selector),
            ..which.clone()
        };
        Ok(list(&client.get("pods", &which).await?, "/items").to_vec())
    };
    if let Some(selector) = &args.selector {
        let pods = selected(selector).await?;
        if pods.is_empty() {
            eprintln!("No resources found in {} namespace.", args.scope.namespace);
        }
        return Ok(pods);
    }
    let target = args.pod.as_deref().unwrap_or_default();
    let (kind, named) = target.split_once('/').unwrap_or(("pod", target));
    let one = Which {
        name: Some(named),
        ..which.clone()
    };
    let object = client.get(kind, &one).await?;
    if text(&object, "/kind") == "Pod" {
        return Ok(vec![object]);
    }
    let labels = strings(&object, "/spec/selector/matchLabels");
    if labels.is_empty() {
        return Err(Failure::error(format!(
            "cannot get the logs from {target}: it selects no pods"
        )));
    }
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let pods = selected(&pairs.join(",")).await?;
    if pods.len() > 1 {
        let first = pods.first().map(name).unwrap_or_default();
        eprintln!("Found {} pods, using pod/{first}", pods.len());
    }
    if pods.is_empty() {
        return Err(Failure::error(format!("{target} has no pods")));
    }
    Ok(pods.into_iter().take(1).collect())
}

fn sources(pod: &Value, args: &LogsArgs) -> Vec<Source> {
    let all: Vec<String> = ["/spec/initContainers", "/spec/containers"]
        .iter()
        .flat_map(|field| list(pod, field))
        .map(|container| text(container, "/name").to_owned())
        .collect();
    let source = |container: Option<String>| {
        let shown = container.clone().unwrap_or_else(|| default_container(pod));
        Source {
            prefix: match args.prefix {
                true => format!("[pod/{}/{shown}] ", name(pod)),
                false => String::new(),
            },
            pod: name(pod).to_owned(),
            container,
        }
    };
    if args.all_containers {
        return all
            .into_iter()
            .map(|container| source(Some(container)))
            .collect();
    }
    let asked = args.container.clone().or_else(|| args.positional.clone());
    vec![source(asked)]
}

/// What the daemon takes when none is named.
fn default_container(pod: &Value) -> String {
    strings(pod, "/metadata/annotations")
        .remove("kubectl.kubernetes.io/default-container")
        .unwrap_or_else(|| text(pod, "/spec/containers/0/name").to_owned())
}

async fn print(
    client: &Client,
    namespace: &str,
    source: Source,
    asked: Asked,
) -> Result<(), Failure> {
    let asked = Asked {
        container: source.container,
        ..asked
    };
    let mut lines = Lines::new(client.logs(namespace, &source.pod, &asked).await?);
    while let Some(line) = lines.next().await? {
        // Whole lines at once: several logs share the output.
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{}{line}\n", source.prefix).as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: LogsArgs,
    }

    fn shown(words: &[&str]) -> Vec<(Option<String>, String)> {
        let pod = json!({"metadata": {"name": "p", "annotations": {"kubectl.kubernetes.io/default-container": "app"}},
            "spec": {"initContainers": [{"name": "istio-proxy"}], "containers": [{"name": "other"}, {"name": "app"}]}});
        let Ok(line) = Line::try_parse_from([&["logs"], words].concat()) else {
            return vec![];
        };
        sources(&pod, &line.args)
            .into_iter()
            .map(|source| (source.container, source.prefix))
            .collect()
    }

    #[test]
    fn containers_and_prefixes_are_kubectls() {
        let none = String::new;
        assert_eq!(shown(&["p"]), [(None, none())]);
        assert_eq!(
            shown(&["p", "--prefix"]),
            [(None, "[pod/p/app] ".to_owned())]
        );
        assert_eq!(shown(&["p", "other"]), [(Some("other".to_owned()), none())]);
        let all = shown(&["-l", "app=web", "--all-containers", "--prefix"]);
        let prefixes: Vec<String> = all.into_iter().map(|(_, prefix)| prefix).collect();
        assert_eq!(
            prefixes,
            ["[pod/p/istio-proxy] ", "[pod/p/other] ", "[pod/p/app] "]
        );
        assert!(shown(&[]).is_empty(), "a pod or a selector must be given");
    }
}
