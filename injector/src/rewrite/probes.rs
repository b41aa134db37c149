//! Health checks through the agent: the kubelet has no certificate of the mesh, so its probes (and
//! lifecycle requests) go to the agent, which asks the application from inside the pod.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::pod::{self, Containers, PROXY};

/// The agent's variable: what to do for each path that the kubelet asks it for.
const PROBERS: &str = "ISTIO_KUBE_APP_PROBERS";

/// Where a check stands in a container and under which path the agent answers it.
const CHECKS: &[(&str, &str, &str)] = &[
    ("/livenessProbe", "app-health", "livez"),
    ("/readinessProbe", "app-health", "readyz"),
    ("/startupProbe", "app-health", "startupz"),
    ("/lifecycle/preStop", "app-lifecycle", "prestopz"),
    ("/lifecycle/postStart", "app-lifecycle", "poststartz"),
];

/// Rewrites every HTTP, TCP and gRPC check of the application's containers (and of other native
/// sidecars); commands stay. `port` is the agent's. A check whose named port no container port has
/// is left to Kubernetes to report.
pub(crate) fn rewrite(pod: &mut Value, port: u16) {
    if port == 0 {
        return;
    }
    // The paths are in the map's order, so that the same pod gives the same text.
    let mut probers: BTreeMap<String, Value> = BTreeMap::new();
    for list in Containers::BOTH {
        if pod::containers(pod, list).is_empty() {
            continue;
        }
        for container in pod::containers_mut(pod, list) {
            let runs_on = list == Containers::App
                || container.get("restartPolicy").and_then(Value::as_str) == Some("Always");
            let Some(name) = pod::name_of(container).map(str::to_owned) else {
                continue;
            };
            if !runs_on || name == PROXY {
                continue;
            }
            let ports = container.get("ports").cloned().unwrap_or_default();
            for (place, root, leaf) in CHECKS {
                let path = format!("/{root}/{name}/{leaf}");
                if let Some(check) = container.pointer_mut(place)
                    && let Some(prober) =
                        redirect(check, &path, port, &ports, *root == "app-health")
                {
                    probers.insert(path, prober);
                }
            }
        }
    }
    if probers.is_empty() {
        return;
    }
    if let Some(proxy) = pod::proxy_mut(pod) {
        let before = pod::env_value(proxy, PROBERS);
        let before: BTreeMap<String, Value> = before
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        for (path, prober) in before {
            probers.entry(path).or_insert(prober);
        }
        let all: Map<String, Value> = probers.into_iter().collect();
        pod::set_env(proxy, PROBERS, &Value::Object(all).to_string());
    }
}

/// Points one check at the agent; gives what the agent has to do in its place, or `None` where
/// nothing was changed.
fn redirect(
    check: &mut Value,
    path: &str,
    port: u16,
    ports: &Value,
    is_probe: bool,
) -> Option<Value> {
    let fields = check.as_object_mut()?;
    let kind = ["httpGet", "tcpSocket", "grpc"]
        .into_iter()
        .find(|kind| fields.get(*kind).is_some_and(Value::is_object))?;
    let action = fields.get(kind)?.as_object()?;
    let own = kind == "httpGet"
        && action.get("path").and_then(Value::as_str) == Some(path)
        && action.get("port").and_then(Value::as_u64) == Some(port.into());
    if own {
        return None;
    }
    let mut asked = Map::new();
    let number = number(action.get("port")?, ports)?;
    let order: &[&str] = match kind {
        "httpGet" => &["path", "port", "host", "scheme", "httpHeaders"],
        "grpc" => &["port", "service"],
        _ => &["port", "host"],
    };
    for key in order {
        let value = match *key {
            "port" => number.into(),
            _ => action.get(*key).cloned().unwrap_or_default(),
        };
        if !value.is_null() {
            asked.insert((*key).to_owned(), value);
        }
    }
    let mut through_agent = json!({"path": path, "port": port});
    if let (Some(target), "httpGet") = (through_agent.as_object_mut(), kind) {
        // The agent itself speaks plain HTTP, whatever the application does.
        if let Some(scheme) = action.get("scheme").and_then(Value::as_str) {
            let scheme = if scheme == "HTTPS" { "HTTP" } else { scheme };
            target.insert("scheme".to_owned(), scheme.into());
        }
        for kept in ["host", "httpHeaders"] {
            if let Some(value) = action.get(kept) {
                target.insert(kept.to_owned(), value.clone());
            }
        }
    }
    let mut prober = Map::from_iter([(kind.to_owned(), Value::Object(asked))]);
    if let Some(timeout) = fields.get("timeoutSeconds").filter(|_| is_probe) {
        prober.insert("timeoutSeconds".to_owned(), timeout.clone());
    }
    fields.shift_remove(kind);
    // First, where the action stood for the reader: the timings follow.
    fields.shift_insert(0, "httpGet".to_owned(), through_agent);
    Some(Value::Object(prober))
}

/// A port by number, or by the name that a container port gives it.
fn number(port: &Value, ports: &Value) -> Option<u64> {
    if let Some(number) = port.as_u64() {
        return Some(number);
    }
    let name = port.as_str()?;
    if let Ok(number) = name.parse::<u16>() {
        return Some(number.into());
    }
    let named = |p: &&Value| pod::name_of(p) == Some(name);
    let found = ports.as_array()?.iter().find(named)?;
    found.get("containerPort").and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn rewritten(container: Value) -> Value {
        let mut pod = json!({"spec": {"containers": [container, {"name": "istio-proxy"}]}});
        rewrite(&mut pod, 15020);
        pod["spec"]["containers"].take()
    }

    #[test]
    fn every_kind_of_check_goes_through_the_agent_and_commands_stay() {
        let containers = rewritten(json!({
            "name": "app",
            "ports": [{"name": "grpc", "containerPort": 50051}],
            "livenessProbe": {"grpc": {"port": 50051, "service": "s"}, "timeoutSeconds": 2},
            "readinessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 5},
            "startupProbe": {"exec": {"command": ["true"]}},
            "lifecycle": {"preStop": {"httpGet": {"path": "/bye", "port": 81, "scheme": "HTTPS"}}},
        }));
        let app = &containers[0];
        assert_eq!(
            app["livenessProbe"],
            json!({"httpGet": {"path": "/app-health/app/livez", "port": 15020}, "timeoutSeconds": 2})
        );
        assert_eq!(
            app["readinessProbe"],
            json!({"httpGet": {"path": "/app-health/app/readyz", "port": 15020}, "periodSeconds": 5})
        );
        assert_eq!(app["startupProbe"], json!({"exec": {"command": ["true"]}}));
        assert_eq!(app["lifecycle"]["preStop"]["httpGet"]["scheme"], "HTTP");
        assert_eq!(
            containers[1]["env"][0]["value"],
            concat!(
                r#"{"/app-health/app/livez":{"grpc":{"port":50051,"service":"s"},"timeoutSeconds":2},"#,
                r#""/app-health/app/readyz":{"tcpSocket":{"port":50051}},"#,
                r#""/app-lifecycle/app/prestopz":{"httpGet":{"path":"/bye","port":81,"scheme":"HTTPS"}}}"#
            )
        );
    }

    #[test]
    fn a_port_that_nothing_is_named_leaves_the_probe_as_it_is() {
        let probe = json!({"httpGet": {"port": "nowhere"}});
        let containers = rewritten(json!({"name": "app", "readinessProbe": probe}));
        assert_eq!(containers[0]["readinessProbe"], probe);
        assert_eq!(containers[1].get("env"), None);
    }

    #[test]
    fn rewriting_twice_changes_nothing() {
        let container = json!({"name": "app", "livenessProbe": {"httpGet": {"port": 80}}});
        let mut pod = json!({"spec": {"containers": [container, {"name": "istio-proxy"}]}});
        rewrite(&mut pod, 15020);
        let once = pod.clone();
        rewrite(&mut pod, 15020);
        assert_eq!(pod, once);
    }
}
