//! Where a proxy's configuration is read from: a pod, by its own agent, or a file.

use std::path::PathBuf;

use clap::Args;
use local::api::client::{Client, Which};
use local::mesh::DEFAULT_STATE;
use local::object::text;
use serde_json::Value;

use crate::failure::Failure;
use crate::local::exec::{Channel, Program, run};

/// The container that the injector adds, and Istio's.
const SIDECAR: &str = "istio-proxy";

/// Which mesh is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct Mesh {
    /// Name of the mesh that `lateen local` runs
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    mesh: String,
    /// Directory of all local meshes' state
    #[arg(long, global = true, hide = true, env = "LATEEN_STATE_DIR", default_value = DEFAULT_STATE)]
    state: PathBuf,
    /// Namespace of a pod that is named without its own
    #[arg(
        short = 'n',
        long,
        global = true,
        default_value = "default",
        value_name = "NAMESPACE"
    )]
    namespace: String,
}

/// Whose configuration is shown.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Source {
    /// A pod or a deployment: POD[.NAMESPACE], deployment/NAME[.NAMESPACE]
    #[arg(value_name = "POD")]
    pod: Option<String>,
    /// A file with what the proxy answered before; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Source {
    /// What the proxy's admin interface answers, or has answered.
    pub(super) async fn ask(&self, mesh: &Mesh, path: &str) -> Result<String, Failure> {
        match (&self.pod, &self.file) {
            (Some(pod), _) => Pod::find(mesh, pod).await?.request("GET", path).await,
            (None, Some(file)) if file.as_os_str() == "-" => {
                Ok(std::io::read_to_string(std::io::stdin())?)
            }
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| Failure::error(format!("{}: {error}", file.display()))),
            (None, None) => Err(Failure::error("name a pod, or a dump by --file")),
        }
    }
}

/// A pod with a sidecar.
pub(super) struct Pod {
    client: Client,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Pod {
    /// The pod that is meant: of a deployment the first one that runs.
    pub(super) async fn find(mesh: &Mesh, meant: &str) -> Result<Self, Failure> {
        let client = Client::new(&mesh.state, &mesh.mesh);
        let (kind, name, namespace) = parts(meant, &mesh.namespace)?;
        let name = match kind {
            Kind::Pod => name.to_owned(),
            Kind::Deployment => first_pod(&client, namespace, name).await?,
        };
        Ok(Pod {
            client,
            namespace: namespace.to_owned(),
            name,
        })
    }

    /// Asks the admin interface from within the pod, where alone it is reachable.
    pub(super) async fn request(&self, method: &str, path: &str) -> Result<String, Failure> {
        let command = ["pilot-agent", "request", method, path].map(str::to_owned);
        let program = Program {
            namespace: &self.namespace,
            pod: &self.name,
            container: Some(SIDECAR.to_owned()),
            command: &command,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&self.client, program, false, |channel, bytes| {
            match channel {
                Channel::Output => out.extend_from_slice(bytes),
                Channel::Error => err.extend_from_slice(bytes),
            }
            Ok(())
        })
        .await?;
        if code == 0 {
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        Err(Failure::error(format!(
            "the proxy of {}.{} does not answer {method} {path}: {}",
            self.name,
            self.namespace,
            String::from_utf8_lossy(&err).trim()
        )))
    }
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
        None | Some(("pod" | "pods" | "po", _)) => {
            (Kind::Pod, meant.rsplit('/').next().unwrap_or(meant))
        }
        Some(("deployment" | "deployments" | "deploy", rest)) => (Kind::Deployment, rest),
        Some((kind, _)) => {
            return Err(Failure::error(format!(
                "{meant}: a {kind} has no proxy; name a pod or a deployment"
            )));
        }
    };
    let (name, namespace) = rest.rsplit_once('.').unwrap_or((rest, namespace));
    if name.is_empty() || namespace.is_empty() {
        return Err(Failure::error(format!(
            "{meant}: expected NAME or NAME.NAMESPACE"
        )));
    }
    Ok((kind, name, namespace))
}

async fn first_pod(client: &Client, namespace: &str, deployment: &str) -> Result<String, Failure> {
    let of = |name| Which {
        namespace: Some(namespace),
        name,
        ..Which::default()
    };
    let owner = client.get("deployment", &of(Some(deployment))).await?;
    let labels = owner.pointer("/spec/selector/matchLabels");
    let pods = client.get("pods", &of(None)).await?;
    let pods = pods.get("items").and_then(Value::as_array);
    pods.into_iter()
        .flatten()
        .filter(|pod| text(pod, "/status/phase") == "Running")
        .find(|pod| {
            let wanted = labels.and_then(Value::as_object).into_iter().flatten();
            let has = pod.pointer("/metadata/labels");
            wanted
                .clone()
                .all(|(name, value)| has.and_then(|has| has.get(name)) == Some(value))
        })
        .map(|pod| text(pod, "/metadata/name").to_owned())
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
