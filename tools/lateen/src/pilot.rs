//! The control plane's pilots, asked from within their containers: their pages are on the loopback address.

use local::object::{list, name, namespace, text};
use proxyconfig::sync::{self, Proxy};
use serde_json::Value;

use crate::cluster::{Cluster, PodName};
use crate::failure::Failure;

/// What every pilot's pod has.
const SELECTOR: &str = "app=istiod";
const CONTAINER: &str = "discovery";

/// A pilot that runs.
#[derive(Debug, Clone)]
pub(crate) struct Pilot {
    pub(crate) pod: PodName,
    /// What Istio calls its part of the control plane: the pod's label `istio`.
    pub(crate) component: String,
    /// The pod's label `istio.io/rev`.
    pub(crate) revision: String,
}

impl Pilot {
    /// All that are ready.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) async fn all(
        cluster: &dyn Cluster,
        istio_namespace: &str,
    ) -> Result<Vec<Self>, Failure> {
        let pods = cluster
            .list("pods", Some(istio_namespace), Some(SELECTOR))
            .await?;
        let pilots: Vec<Self> = pods.iter().filter(|pod| is_ready(pod)).map(of).collect();
        if pilots.is_empty() {
            return Err(Failure::error(format!(
                "no running Istio pods ({SELECTOR}) in namespace {istio_namespace:?}"
            )));
        }
        Ok(pilots)
    }

    /// What a page of it says.
    pub(crate) async fn page(&self, cluster: &dyn Cluster, path: &str) -> Result<String, Failure> {
        let command = ["pilot", "request", "GET", path];
        cluster.run(&self.pod, CONTAINER, &command).await
    }

    /// The proxies that are connected to it.
    pub(crate) async fn proxies(&self, cluster: &dyn Cluster) -> Result<Vec<Proxy>, Failure> {
        let page = self.page(cluster, "/debug/syncz").await?;
        sync::read(&page, &self.pod.name)
            .map_err(|error| Failure::error(format!("/debug/syncz of {}: {error}", self.pod)))
    }

    /// What a page of it says, which is JSON.
    pub(crate) async fn json(&self, cluster: &dyn Cluster, path: &str) -> Result<Value, Failure> {
        let page = self.page(cluster, path).await?;
        serde_json::from_str(&page)
            .map_err(|error| Failure::error(format!("{path} of {}: {error}", self.pod)))
    }
}

fn of(pod: &Value) -> Pilot {
    let label = |name: &str| {
        let labels = pod.pointer("/metadata/labels");
        let label = labels.and_then(|labels| labels.get(name));
        label.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let component = match label("istio") {
        none if none.is_empty() => "pilot".to_owned(),
        component => component,
    };
    Pilot {
        pod: PodName {
            namespace: namespace(pod).to_owned(),
            name: name(pod).to_owned(),
        },
        component,
        revision: label("istio.io/rev"),
    }
}

fn is_ready(pod: &Value) -> bool {
    let ready = |condition: &Value| {
        text(condition, "/type") == "Ready" && text(condition, "/status") == "True"
    };
    text(pod, "/status/phase") == "Running" && list(pod, "/status/conditions").iter().any(ready)
}
