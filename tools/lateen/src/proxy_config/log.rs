//! `proxy-config log`.

use clap::Args;
use local::object::{name, namespace, text};

use crate::cluster::{Cluster, PodName};
use crate::failure::Failure;
use crate::pod;

/// What Istio starts proxies with.
const DEFAULT: &str = "warning";

const LEVELS: [&str; 7] = [
    "trace", "debug", "info", "warning", "error", "critical", "off",
];

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Pods or deployments: POD[.NAMESPACE], deployment/NAME[.NAMESPACE]
    #[arg(value_name = "POD", required_unless_present = "selector")]
    pods: Vec<String>,
    /// All pods of the namespace with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "pods")]
    selector: Option<String>,
    /// LEVEL for all loggers, or LOGGER:LEVEL,...; levels are trace, debug, info, warning, error, critical and off
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Back to warning for all loggers
    #[arg(short, long, conflicts_with = "level")]
    reset: bool,
}

/// The levels of each pod's loggers, after the change that is asked for.
pub(super) async fn log(
    cluster: &dyn Cluster,
    within: &str,
    args: &LogArgs,
) -> Result<String, Failure> {
    let changes = match (&args.level, args.reset) {
        (Some(level), _) => queries(level)?,
        (None, true) => queries(DEFAULT)?,
        (None, false) => Vec::new(),
    };
    let mut pods = Vec::new();
    for meant in &args.pods {
        pods.push(pod::find(cluster, meant, within).await?);
    }
    if let Some(selector) = &args.selector {
        pods = selected(cluster, within, selector).await?;
    }
    let mut text = String::new();
    for pod in &pods {
        for change in &changes {
            let path = format!("logging?{change}");
            pod::request(cluster, pod, "POST", &path).await?;
        }
        let levels = pod::request(cluster, pod, "POST", "logging").await?;
        text.push_str(&format!("{pod}:\n{levels}"));
    }
    Ok(text)
}

/// The pods with these labels that run.
async fn selected(
    cluster: &dyn Cluster,
    within: &str,
    selector: &str,
) -> Result<Vec<PodName>, Failure> {
    let pods = cluster.list("pods", Some(within), Some(selector)).await?;
    let running = pods
        .iter()
        .filter(|pod| text(pod, "/status/phase") == "Running");
    let pods: Vec<PodName> = running
        .map(|pod| PodName {
            namespace: namespace(pod).to_owned(),
            name: name(pod).to_owned(),
        })
        .collect();
    match pods.is_empty() {
        true => Err(Failure::error(format!(
            "no pod with {selector} runs in namespace {within:?}"
        ))),
        false => Ok(pods),
    }
}

/// What the admin interface is asked for a change.
fn queries(levels: &str) -> Result<Vec<String>, Failure> {
    levels
        .split(',')
        .map(|change| {
            let (logger, level) = change.split_once([':', '=']).unwrap_or(("level", change));
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if logger.is_empty() || !logger.chars().all(plain) {
                return Err(Failure::error(format!("{change:?}: no logger's name")));
            }
            let level = match level {
                // istioctl's words.
                "none" => "off",
                "warn" => "warning",
                level => level,
            };
            match LEVELS.contains(&level) {
                true => Ok(format!("{logger}={level}")),
                false => Err(Failure::error(format!(
                    "{change:?}: unrecognized logging level: {level}; expected one of {}",
                    LEVELS.join(", ")
                ))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cluster::fake::FakeCluster;

    #[test]
    fn levels_are_of_all_loggers_or_of_one() {
        assert_eq!(queries("debug").unwrap(), ["level=debug"]);
        let three = queries("http:trace,connection:none,router=warn").unwrap();
        assert_eq!(three, ["http=trace", "connection=off", "router=warning"]);
        for bad in ["loud", "http:loud", ":debug", "a&b:debug", ""] {
            assert!(queries(bad).is_err(), "{bad}");
        }
    }

    const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web}}
status: {phase: Pending}
---
apiVersion: v1
kind: Pod
metadata: {name: web-3, namespace: elsewhere, labels: {app: web}}
status: {phase: Running}
";

    #[tokio::test]
    async fn all_pods_with_labels_that_run_are_changed_and_shown() {
        let mut cluster = FakeCluster::of(PODS);
        cluster.says("web-1.shop", "logging?http=debug", "");
        cluster.says("web-1.shop", "logging", "active loggers:\n  http: debug\n");
        let args = |selector: &str| LogArgs {
            pods: Vec::new(),
            selector: Some(selector.to_owned()),
            level: Some("http:debug".to_owned()),
            reset: false,
        };
        let text = log(&cluster, "shop", &args("app=web")).await.unwrap();
        assert_eq!(text, "web-1.shop:\nactive loggers:\n  http: debug\n");
        let nobody = log(&cluster, "shop", &args("app=other")).await.unwrap_err();
        assert!(nobody.message.contains("app=other"), "{nobody:?}");
    }
}
