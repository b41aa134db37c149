//! `proxy-config log`.

use clap::Args;

use super::source::{Mesh, Pod};
use crate::failure::Failure;
use crate::output;

/// What Istio starts proxies with.
const DEFAULT: &str = "warning";

const LEVELS: [&str; 7] = [
    "trace", "debug", "info", "warning", "error", "critical", "off",
];

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Pods or deployments: POD[.NAMESPACE], deployment/NAME[.NAMESPACE]
    #[arg(value_name = "POD", required = true)]
    pods: Vec<String>,
    /// LEVEL for all loggers, or LOGGER:LEVEL,...; levels are trace, debug, info, warning, error, critical and off
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Back to warning for all loggers
    #[arg(short, long, conflicts_with = "level")]
    reset: bool,
}

pub(super) async fn log(mesh: &Mesh, args: LogArgs) -> Result<(), Failure> {
    let changes = match (&args.level, args.reset) {
        (Some(level), _) => queries(level)?,
        (None, true) => queries(DEFAULT)?,
        (None, false) => Vec::new(),
    };
    for meant in &args.pods {
        let pod = Pod::find(mesh, meant).await?;
        for change in &changes {
            pod.request("POST", &format!("logging?{change}")).await?;
        }
        let levels = pod.request("POST", "logging").await?;
        output::text(&format!("{}.{}:\n{levels}", pod.name, pod.namespace))?;
    }
    Ok(())
}

/// What the admin interface is asked for a change.
fn queries(levels: &str) -> Result<Vec<String>, Failure> {
    levels
        .split(',')
        .map(|change| {
            let (logger, level) = change.split_once(':').unwrap_or(("level", change));
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if logger.is_empty() || !logger.chars().all(plain) {
                return Err(Failure::error(format!("{change:?}: no logger's name")));
            }
            // `none` is istioctl's word for off.
            let level = if level == "none" { "off" } else { level };
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

    #[test]
    fn levels_are_of_all_loggers_or_of_one() {
        assert_eq!(queries("debug").unwrap(), ["level=debug"]);
        let two = queries("http:trace,connection:none").unwrap();
        assert_eq!(two, ["http=trace", "connection=off"]);
        for bad in ["loud", "http:loud", ":debug", "a&b:debug", ""] {
            assert!(queries(bad).is_err(), "{bad}");
        }
    }
}
