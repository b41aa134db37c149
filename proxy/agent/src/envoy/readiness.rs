//! Whether Envoy can take traffic, told from its stats.

use std::fmt;

/// The filter of `/stats` under which Envoy tells no more than what is needed here.
pub const FILTER: &str = r"^(server\.state|listener_manager\.workers_started|cluster_manager\.cds\.update_(success|rejected)|listener_manager\.lds\.update_(success|rejected))$";

/// Why Envoy cannot take traffic yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// The pilot's first clusters or listeners have not arrived.
    NoConfiguration {
        /// Whether clusters came (CDS), accepted or refused.
        clusters: bool,
        /// Whether listeners came (LDS), accepted or refused.
        listeners: bool,
    },
    /// Envoy itself is starting or stopping.
    State(u64),
    /// The worker threads have not started.
    Workers,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConfiguration {
                clusters,
                listeners,
            } => {
                let word = |there: &bool| if *there { "received" } else { "not received" };
                write!(
                    f,
                    "configuration: clusters {}, listeners {}; check that the pilot at discoveryAddress is reachable",
                    word(clusters),
                    word(listeners)
                )
            }
            Self::State(state) => {
                let name = match state {
                    1 => "draining",
                    2 => "before initialization",
                    3 => "initializing",
                    _ => "in an unknown state",
                };
                write!(f, "the proxy is {name}")
            }
            Self::Workers => f.write_str("the proxy's worker threads have not started"),
        }
    }
}

/// Judges the text of `/stats?usedonly&filter=..`. A refused first configuration counts as
/// received: Envoy serves on without it, as the pilot's other resources may be fine.
///
/// # Errors
/// [`NotReady`] says what is still missing.
pub fn judge(stats: &str) -> Result<(), NotReady> {
    let value = |name: &str| {
        stats.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim().parse::<u64>().ok())?
        })
    };
    let came = |prefix: &str| {
        ["update_success", "update_rejected"]
            .iter()
            .any(|end| value(&format!("{prefix}.{end}")).is_some_and(|n| n > 0))
    };
    let clusters = came("cluster_manager.cds");
    let listeners = came("listener_manager.lds");
    if !(clusters && listeners) {
        return Err(NotReady::NoConfiguration {
            clusters,
            listeners,
        });
    }
    match value("server.state") {
        Some(0) => {}
        other => return Err(NotReady::State(other.unwrap_or(2))),
    }
    match value("listener_manager.workers_started") {
        Some(1) => Ok(()),
        _ => Err(NotReady::Workers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = "cluster_manager.cds.update_success: 3\n\
        listener_manager.lds.update_success: 1\n\
        listener_manager.workers_started: 1\nserver.state: 0\n";

    #[test]
    fn live_with_both_configurations_is_ready() {
        assert_eq!(judge(READY), Ok(()));
    }

    #[test]
    fn a_missing_configuration_is_named() {
        let stats = READY.replace("listener_manager.lds.update_success: 1\n", "");
        let reason = judge(&stats).err();
        assert_eq!(
            reason,
            Some(NotReady::NoConfiguration {
                clusters: true,
                listeners: false
            })
        );
        assert!(reason.is_some_and(|r| r.to_string().contains("listeners not received")));
        assert!(judge("").is_err());
    }

    #[test]
    fn a_refused_configuration_does_not_keep_the_pod_from_starting() {
        assert_eq!(
            judge(&READY.replace("lds.update_success", "lds.update_rejected")),
            Ok(())
        );
    }

    #[test]
    fn initializing_and_unstarted_workers_are_not_ready() {
        let initializing = READY.replace("server.state: 0", "server.state: 3");
        assert_eq!(judge(&initializing), Err(NotReady::State(3)));
        let idle = READY.replace("workers_started: 1", "workers_started: 0");
        assert_eq!(judge(&idle), Err(NotReady::Workers));
    }
}
