//! Pods with a proxy: which one is meant, and what its proxy says.

use local::object::selector::Selector;
use local::object::{labels, name, text};
use serde_json::Value;

use crate::cluster::{Cluster, PodName, get};
use crate::failure::Failure;

/// The container that the injector adds, and Istio's.
pub(crate) const SIDECAR: &str = "istio-proxy";

/// The pod that is meant by `POD[.NAMESPACE]` or `deployment/NAME[.NAMESPACE]`: of a deployment the first one that runs.
pub(crate) async fn find(
    cluster: &dyn Cluster,
    meant: &str,
    namespace: &str,
) -> Result<PodName, Failure> {
    let (kind, name, namespace) = parts(meant, namespace)?;
    let name = match kind {
        Kind::Pod => name.to_owned(),
        Kind::Deployment => first_pod(cluster, namespace, name).await?,
    };
    Ok(PodName {
        namespace: namespace.to_owned(),
        name,
    })
}

/// Asks a proxy's admin interface from within its pod, where alone it is reachable.
pub(crate) async fn request(
    cluster: &dyn Cluster,
    pod: &PodName,
    method: &str,
    path: &str,
) -> Result<String, Failure> {
    let port = format!("--debug-port={}", cluster.admin_port());
    let command = ["pilot-agent", "request", &port, method, path];
    cluster.run(pod, SIDECAR, &command).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pod,
    Deployment,
}

/// Kind, name and namespace of what is meant. Names of pods and deployments may have dots, so the last one counts, as with
/// istioctl.
fn parts<'a>(meant: &'a str, namespace: &'a str) -> Result<(Kind, &'a str, &'a str), Failure> {
    let (kind, rest) = match meant.split_once('/') {
        None => (Kind::Pod, meant),
        Some(("pod" | "pods" | "po", rest)) => (Kind::Pod, rest),
        Some(("deployment" | "deployments" | "deploy", rest)) => (Kind::Deployment, rest),
        Some((kind, _)) => {
            return Err(Failure::error(format!(
                "{meant}: a {kind} has no proxy; name a pod or a deployment"
            )));
        }
    };
    let (name, namespace) = named(rest, namespace)?;
    Ok((kind, name, namespace))
}

/// Name and namespace of `NAME[.NAMESPACE]`.
pub(crate) fn named<'a>(meant: &'a str, namespace: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let (name, namespace) = meant.rsplit_once('.').unwrap_or((meant, namespace));
    if name.is_empty() || namespace.is_empty() {
        return Err(Failure::error(format!(
            "{meant}: expected NAME or NAME.NAMESPACE"
        )));
    }
    Ok((name, namespace))
}

async fn first_pod(
    cluster: &dyn Cluster,
    namespace: &str,
    deployment: &str,
) -> Result<String, Failure> {
    let owner = get(cluster, "deployments", namespace, deployment).await?;
    let selector = owner.pointer("/spec/selector");
    let selector = selector.and_then(Selector::of_label_selector);
    let pods = cluster.list("pods", Some(namespace), None).await?;
    let selected = |pod: &&Value| {
        let selector = selector.as_ref();
        selector.is_some_and(|selector| selector.matches(&labels(pod)))
    };
    pods.iter()
        .filter(|pod| text(pod, "/status/phase") == "Running")
        .find(selected)
        .map(|pod| name(pod).to_owned())
        .ok_or_else(|| {
            Failure::error(format!(
                "deployment {deployment} in namespace {namespace} has no pod that runs"
            ))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pods_and_deployments_are_named_with_or_without_their_namespace() {
        for (meant, expected) in [
            ("web-1", (Kind::Pod, "web-1", "here")),
            ("web-1.there", (Kind::Pod, "web-1", "there")),
            ("pod/web-1", (Kind::Pod, "web-1", "here")),
            ("deployment/web.there", (Kind::Deployment, "web", "there")),
            ("deploy/web.v2.there", (Kind::Deployment, "web.v2", "there")),
        ] {
            assert_eq!(parts(meant, "here").unwrap(), expected, "{meant}");
        }
        for bad in ["service/web", "web.", ".there", "deployment/"] {
            assert!(parts(bad, "here").is_err(), "{bad}");
        }
    }
}
