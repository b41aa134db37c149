//! The pod columns: READY, STATUS and RESTARTS follow kubectl's rules, which look into every container.

use serde_json::Value;
use time::OffsetDateTime;

use crate::object::{age, has_condition, integer, is_terminating, list, text};

/// What the three columns say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// `2/2`.
    pub ready: String,
    /// `Running`, `Init:0/1`, `CrashLoopBackOff`...
    pub status: String,
    /// `1 (5s ago)`.
    pub restarts: String,
}

/// Summarizes a pod.
pub fn summary(pod: &Value, now: OffsetDateTime) -> Summary {
    let init_specs = list(pod, "/spec/initContainers");
    let is_sidecar = |name: &str| {
        init_specs
            .iter()
            .any(|spec| text(spec, "/name") == name && text(spec, "/restartPolicy") == "Always")
    };
    let sidecars = init_specs
        .iter()
        .filter(|spec| text(spec, "/restartPolicy") == "Always")
        .count();
    let total = list(pod, "/spec/containers").len() + sidecars;
    let mut ready = 0;
    let mut restarts = 0;
    let mut last_restart: Option<OffsetDateTime> = None;
    let mut status = match text(pod, "/status/reason") {
        "" => text(pod, "/status/phase").to_owned(),
        reason => reason.to_owned(),
    };

    let mut initializing = false;
    for (index, container) in list(pod, "/status/initContainerStatuses")
        .iter()
        .enumerate()
    {
        let sidecar = is_sidecar(text(container, "/name"));
        let count = integer(container, "/restartCount").unwrap_or(0);
        if sidecar || initializing_counts(container) {
            restarts += count;
            last_restart = last_restart.max(finished(container));
        }
        if sidecar && flag(container, "ready") {
            ready += 1;
        }
        if initializing {
            continue;
        }
        let exit = integer(container, "/state/terminated/exitCode");
        if exit == Some(0) || (sidecar && flag(container, "started")) {
            continue;
        }
        initializing = true;
        status = match container.get("state") {
            Some(state) if state.get("terminated").is_some() => {
                format!("Init:{}", ended(state))
            }
            Some(state)
                if !matches!(
                    text(state, "/waiting/reason"),
                    "" | "PodInitializing" | "ContainerCreating"
                ) =>
            {
                format!("Init:{}", text(state, "/waiting/reason"))
            }
            _ => format!("Init:{index}/{}", init_specs.len()),
        };
    }
    let initialized = has_condition(pod, "Initialized");
    if !initializing || initialized {
        let mut has_running = false;
        for container in list(pod, "/status/containerStatuses").iter().rev() {
            restarts += integer(container, "/restartCount").unwrap_or(0);
            last_restart = last_restart.max(finished(container));
            let state = container.get("state").cloned().unwrap_or_default();
            let waiting = text(&state, "/waiting/reason");
            if !waiting.is_empty() {
                status = waiting.to_owned();
            } else if state.get("terminated").is_some() {
                status = ended(&state);
            } else if flag(container, "ready") && state.get("running").is_some() {
                has_running = true;
                ready += 1;
            }
        }
        if status == "Completed" && has_running {
            status = if has_condition(pod, "Ready") {
                "Running"
            } else {
                "NotReady"
            }
            .to_owned();
        }
    }
    if is_terminating(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
        status = "Terminating".to_owned();
    }
    let restarts = match last_restart {
        Some(at) if restarts > 0 => {
            format!(
                "{restarts} ({} ago)",
                age::human((now - at).whole_seconds())
            )
        }
        _ => restarts.to_string(),
    };
    Summary {
        ready: format!("{ready}/{total}"),
        status,
        restarts,
    }
}

/// Restarts of init containers count while the pod is initializing.
fn initializing_counts(container: &Value) -> bool {
    integer(container, "/state/terminated/exitCode") != Some(0)
}

fn flag(container: &Value, field: &str) -> bool {
    container.get(field).and_then(Value::as_bool) == Some(true)
}

fn finished(container: &Value) -> Option<OffsetDateTime> {
    age::parse(text(container, "/lastState/terminated/finishedAt"))
}

fn ended(state: &Value) -> String {
    match text(state, "/terminated/reason") {
        "" => format!(
            "ExitCode:{}",
            integer(state, "/terminated/exitCode").unwrap_or(0)
        ),
        reason => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn now() -> OffsetDateTime {
        age::parse("2023-11-14T22:13:20Z").unwrap()
    }

    fn columns(pod: Value) -> (String, String, String) {
        let summary = summary(&pod, now());
        (summary.ready, summary.status, summary.restarts)
    }

    fn owned(ready: &str, status: &str, restarts: &str) -> (String, String, String) {
        (ready.into(), status.into(), restarts.into())
    }

    fn meshed(proxy: Value, app: Value, initialized: &str) -> Value {
        json!({"metadata": {}, "spec": {
                "initContainers": [{"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
                "containers": [{"name": "app"}]},
            "status": {"phase": "Running",
                "conditions": [{"type": "Initialized", "status": initialized}],
                "initContainerStatuses": [
                    {"name": "istio-init", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                    proxy],
                "containerStatuses": [app]}})
    }

    #[test]
    fn a_pod_with_a_native_sidecar_counts_two_containers() {
        let proxy = json!({"name": "istio-proxy", "ready": true, "started": true, "restartCount": 0, "state": {"running": {}}});
        let app =
            json!({"name": "app", "ready": true, "restartCount": 0, "state": {"running": {}}});
        assert_eq!(
            columns(meshed(proxy, app, "True")),
            owned("2/2", "Running", "0")
        );
    }

    #[test]
    fn a_sidecar_that_has_not_started_shows_how_far_initialization_is() {
        let proxy = json!({"name": "istio-proxy", "ready": false, "started": false, "restartCount": 0, "state": {"running": {}}});
        let app = json!({"name": "app", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}});
        assert_eq!(
            columns(meshed(proxy, app, "False")),
            owned("0/2", "Init:1/2", "0")
        );
    }

    #[test]
    fn reasons_to_wait_and_restarts_are_shown() {
        let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "app"}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "app", "ready": false, "restartCount": 3,
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2023-11-14T22:13:08Z"}}}]}});
        assert_eq!(
            columns(pod),
            owned("0/1", "CrashLoopBackOff", "3 (12s ago)")
        );
    }

    #[test]
    fn a_pod_that_is_deleted_is_terminating() {
        let pod = json!({"metadata": {"deletionTimestamp": "2023-11-14T22:13:08Z"}, "spec": {"containers": [{}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "app", "ready": true, "state": {"running": {}}}]}});
        assert_eq!(columns(pod), owned("1/1", "Terminating", "0"));
    }
}
