//! `lateen experimental describe`: which configuration of the mesh is about a pod or a service, as istioctl says it.

mod destination_rule;
mod ingress;
mod made_by;
mod page;
mod peer_authentication;
mod pod;
mod service;
mod services;
#[cfg(test)]
mod tests;
mod virtual_service;

use clap::{Args, Subcommand};
use local::object::selector::Selector;
use local::object::{labels, list, name, namespace, strings, text};
use serde_json::Value;

use crate::cluster::{Cluster, PodName, get};
use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::output;
use crate::pod::{SIDECAR, named};
use page::Page;

/// Say which configuration of the mesh is about a pod or a service
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen experimental describe pod POD
  lateen x describe pod POD.NAMESPACE
  lateen x describe service SERVICE -n NAMESPACE")]
pub struct DescribeArgs {
    #[command(flatten)]
    mesh: Mesh,
    /// Say nothing of pods that are not part of the mesh
    #[arg(long = "ignoreUnmeshed", global = true)]
    ignore_unmeshed: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A pod: its services, what routes and rules lead to it, and which TLS it takes
    #[command(visible_alias = "po")]
    Pod {
        /// POD[.NAMESPACE]
        #[arg(value_name = "POD")]
        name: String,
    },
    /// A service, as the first of its pods sees it
    #[command(visible_alias = "svc")]
    Service {
        /// SERVICE[.NAMESPACE]
        #[arg(value_name = "SERVICE")]
        name: String,
    },
}

/// Runs `describe`.
///
/// # Errors
/// What to print and the exit status.
pub fn run(args: DescribeArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let cluster = args.mesh.cluster();
    let asked = Asked {
        cluster: &cluster,
        istio_namespace: args.mesh.istio_namespace(),
        ignore_unmeshed: args.ignore_unmeshed,
    };
    let within = args.mesh.namespace();
    let text = runtime.block_on(async {
        match &args.what {
            What::Pod { name } => asked.pod(name, within).await,
            What::Service { name } => asked.service(name, within).await,
        }
    })?;
    output::text(&text)
}

/// Whom a command asks, and how.
struct Asked<'a> {
    cluster: &'a dyn Cluster,
    istio_namespace: &'a str,
    ignore_unmeshed: bool,
}

impl Asked<'_> {
    async fn pod(&self, meant: &str, within: &str) -> Result<String, Failure> {
        let (pod, place) = named(meant, within)?;
        let pod = get(self.cluster, "pods", place, pod).await?;
        let mut page = Page::new(within);
        pod::describe(&mut page, &pod, self.ignore_unmeshed);
        let own = labels(&pod);
        let services = self.cluster.list("services", Some(place), None).await?;
        let services: Vec<Value> = services
            .into_iter()
            .filter(|service| {
                let selector = strings(service, "/spec/selector");
                !selector.is_empty() && Selector::exact(&selector).matches(&own)
            })
            .collect();
        if services.is_empty() && !self.ignore_unmeshed {
            let pod = page.name(&pod);
            page.line(0, format!("Warning: No Kubernetes Services select pod {pod} (see https://istio.io/docs/setup/kubernetes/additional-setup/requirements/ )"));
        }
        page.rule();
        let pods = [own];
        services::describe(
            &mut page,
            self.cluster,
            self.istio_namespace,
            &pod,
            &services,
            &pods,
        )
        .await?;
        page.rule();
        peer_authentication::of_pod(&mut page, self.cluster, self.istio_namespace, &pod).await?;
        ingress::describe(&mut page, self.cluster, &services, &pods).await?;
        Ok(page.text())
    }

    async fn service(&self, meant: &str, within: &str) -> Result<String, Failure> {
        let (service, place) = named(meant, within)?;
        let service = get(self.cluster, "services", place, service).await?;
        let mut page = Page::new(within);
        let selector = strings(&service, "/spec/selector");
        let selected = match selector.is_empty() {
            true => Vec::new(),
            false => self.cluster.list("pods", Some(place), None).await?,
        };
        let selector = Selector::exact(&selector);
        let selected: Vec<Value> = selected
            .into_iter()
            .filter(|pod| selector.matches(&labels(pod)))
            .collect();
        let pods: Vec<&Value> = selected
            .iter()
            .filter(|pod| takes_part(&mut page, pod))
            .collect();
        let Some(first) = pods.first() else {
            let service = page.name(&service);
            match selected.len() {
                0 => page.line(0, format!("Service {service:?} has no pods.")),
                number => {
                    page.line(
                        0,
                        format!(
                            "Service {service:?} has no Istio pods.  ({number} pods in service)."
                        ),
                    );
                    page.line(0, "Use `lateen kube-inject` or redeploy with Istio automatic sidecar injection.");
                }
            }
            return Ok(page.text());
        };
        let theirs: Vec<_> = pods.iter().map(|pod| labels(pod)).collect();
        let services = [service];
        services::describe(
            &mut page,
            self.cluster,
            self.istio_namespace,
            first,
            &services,
            &theirs,
        )
        .await?;
        ingress::describe(&mut page, self.cluster, &services, &theirs).await?;
        Ok(page.text())
    }
}

/// Whether a pod's proxy is ready; says so where it is not.
fn takes_part(page: &mut Page, pod: &Value) -> bool {
    let phase = text(pod, "/status/phase");
    if phase != "Running" {
        page.line(3, format!("Pod is not Running ({phase})"));
        return false;
    }
    let shown = page.name(pod);
    let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"];
    let mut statuses = statuses.iter().flat_map(|place| list(pod, place));
    match statuses.find(|status| text(status, "/name") == SIDECAR) {
        None => page.line(0, format!("Pod {shown}: no container {SIDECAR:?} in pod")),
        Some(status) if status.get("ready") == Some(&Value::Bool(true)) => return true,
        Some(_) => page.line(
            0,
            format!("WARNING: Pod {shown} Container {SIDECAR} NOT READY"),
        ),
    }
    false
}

fn name_of(object: &Value) -> PodName {
    PodName {
        namespace: namespace(object).to_owned(),
        name: name(object).to_owned(),
    }
}
