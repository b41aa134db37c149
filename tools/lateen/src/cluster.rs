//! What commands ask a mesh for, wherever it runs: its objects, and what programs in its pods say.

#[cfg(test)]
pub(crate) mod fake;
mod local;

use async_trait::async_trait;
use serde_json::Value;

use crate::failure::Failure;
pub(crate) use local::LocalCluster;

/// A pod by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::fmt::Display for PodName {
    /// `POD.NAMESPACE`, as Istio's tools write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

/// A running mesh.
#[async_trait(?Send)]
pub(crate) trait Cluster {
    /// The objects of a kind (`pods`, `virtualservices`, ...), of all namespaces where none is named. A kind that the mesh
    /// does not have has no objects.
    async fn list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Failure>;

    /// One object; none where it does not exist.
    async fn find(&self, kind: &str, namespace: &str, name: &str)
    -> Result<Option<Value>, Failure>;

    /// Runs a program in a pod's container; what it writes to its standard output.
    ///
    /// # Errors
    /// Where it does not succeed: what it wrote to its standard error.
    async fn run(
        &self,
        pod: &PodName,
        container: &str,
        command: &[&str],
    ) -> Result<String, Failure>;

    /// The port of the proxies' admin interface, on their loopback (`ProxyConfig.proxyAdminPort`).
    fn admin_port(&self) -> u16;
}

/// One object that has to be there.
///
/// # Errors
/// As the API server says it, where it is not.
pub(crate) async fn get(
    cluster: &dyn Cluster,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Value, Failure> {
    let found = cluster.find(kind, namespace, name).await?;
    found.ok_or_else(|| {
        Failure::plain(format!(
            "Error from server (NotFound): {kind} {name:?} not found in namespace {namespace:?}"
        ))
    })
}
