//! The pod that `port-forward` means, and what its ports are called.

use local::api::client::{Client, Which};
use local::controller::endpoints::target_port;
use local::object::{has_condition, integer, is_terminating, list, name, strings, text};
use serde_json::Value;

use crate::failure::Failure;

/// A pod, and the Service that it was found by.
pub(super) struct Target {
    pub(super) pod: String,
    object: Value,
    service: Option<Value>,
}

impl Target {
    /// The pod's port that `word` means: a number, a name of the pod's, or a port of the Service.
    pub(super) fn port(&self, word: &str) -> Result<u16, String> {
        match &self.service {
            Some(service) => port_of_service(service, &self.object, word),
            None => port_of_pod(&self.object, word),
        }
    }
}

/// Finds the pod behind `pod/NAME`, `NAME`, `service/NAME` or `deployment/NAME`.
pub(super) async fn find(
    client: &Client,
    namespace: &str,
    target: &str,
) -> Result<Target, Failure> {
    let (kind, named) = target.split_once('/').unwrap_or(("pod", target));
    let which = Which {
        namespace: Some(namespace),
        ..Which::default()
    };
    let one = Which {
        name: Some(named),
        ..which.clone()
    };
    let object = client.get(kind, &one).await?;
    let selector = match text(&object, "/kind") {
        "Pod" => {
            return Ok(Target {
                pod: named.to_owned(),
                object,
                service: None,
            });
        }
        "Service" => strings(&object, "/spec/selector"),
        "Deployment" | "ReplicaSet" | "Job" => strings(&object, "/spec/selector/matchLabels"),
        other => {
            return Err(Failure::error(format!(
                "port-forward reaches pods, services, deployments, replicasets and jobs, not a {other}"
            )));
        }
    };
    if selector.is_empty() {
        return Err(Failure::error(format!(
            "invalid service '{named}': Service is defined without a selector"
        )));
    }
    let selector: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let selector = selector.join(",");
    let pods = client
        .get(
            "pods",
            &Which {
                selector: Some(&selector),
                ..which
            },
        )
        .await?;
    let pod = best(list(&pods, "/items")).ok_or_else(|| {
        Failure::error(format!(
            "no running pod of {target} was found: lateen local get pods -n {namespace} -l {selector}"
        ))
    })?;
    let is_service = text(&object, "/kind") == "Service";
    Ok(Target {
        pod: name(pod).to_owned(),
        object: pod.clone(),
        service: is_service.then_some(object),
    })
}

/// A pod that can be reached: one that is ready before one that only runs.
fn best(pods: &[Value]) -> Option<&Value> {
    pods.iter()
        .filter(|pod| text(pod, "/status/phase") == "Running" && !is_terminating(pod))
        .max_by_key(|pod| has_condition(pod, "Ready"))
}

fn port_of_pod(pod: &Value, word: &str) -> Result<u16, String> {
    if let Ok(port) = word.parse() {
        return Ok(port);
    }
    ["/spec/containers", "/spec/initContainers"]
        .iter()
        .flat_map(|field| list(pod, field))
        .flat_map(|container| list(container, "/ports"))
        .find(|port| text(port, "/name") == word)
        .and_then(|port| u16::try_from(integer(port, "/containerPort")?).ok())
        .ok_or_else(|| format!("Pod '{}' does not have a named port '{word}'", name(pod)))
}

fn port_of_service(service: &Value, pod: &Value, word: &str) -> Result<u16, String> {
    let number: Option<i64> = word.parse().ok();
    let port = list(service, "/spec/ports")
        .iter()
        .find(|port| match number {
            Some(number) => integer(port, "/port") == Some(number),
            None => text(port, "/name") == word,
        })
        .ok_or_else(|| match number {
            Some(_) => format!(
                "Service {} does not have a service port {word}",
                name(service)
            ),
            None => format!(
                "Service '{}' does not have a named port '{word}'",
                name(service)
            ),
        })?;
    if text(port, "/protocol") == "UDP" {
        return Err(format!("UDP protocol is not supported for {word}"));
    }
    target_port(port, pod).ok_or_else(|| {
        format!(
            "Pod '{}' does not have the port that port {word} of service {} leads to",
            name(pod),
            name(service)
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pod(name: &str, ready: bool) -> Value {
        let status = if ready { "True" } else { "False" };
        json!({"metadata": {"name": name},
            "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8081}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}})
    }

    #[test]
    fn a_ready_pod_is_taken_before_one_that_only_runs() {
        let pods = [pod("a", false), pod("b", true)];
        assert_eq!(name(best(&pods).unwrap()), "b");
        assert_eq!(name(best(&pods[..1]).unwrap()), "a");
        let mut ending = pod("c", true);
        local::object::merge_patch(
            &mut ending,
            &json!({"metadata": {"deletionTimestamp": "t"}}),
        );
        assert!(best(&[ending]).is_none());
    }

    #[test]
    fn ports_are_found_by_number_and_name() {
        let pod = pod("p", true);
        assert_eq!(port_of_pod(&pod, "web"), Ok(8081));
        assert_eq!(port_of_pod(&pod, "15000"), Ok(15000));
        assert_eq!(
            port_of_pod(&pod, "nope").unwrap_err(),
            "Pod 'p' does not have a named port 'nope'"
        );
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": "web"}]}});
        assert_eq!(port_of_service(&service, &pod, "80"), Ok(8081));
        assert_eq!(port_of_service(&service, &pod, "http"), Ok(8081));
        assert_eq!(
            port_of_service(&service, &pod, "8081").unwrap_err(),
            "Service s does not have a service port 8081"
        );
    }
}
