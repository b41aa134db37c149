//! Which mesh a command speaks to, and where in it.

use std::path::PathBuf;

use clap::Args;
use local::mesh::{DEFAULT_STATE, SYSTEM};

use crate::cluster::LocalCluster;

/// Which mesh is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Mesh {
    /// Name of the mesh that `lateen local` runs
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    mesh: String,
    /// Directory of all local meshes' state
    #[arg(long, global = true, hide = true, env = "LATEEN_STATE_DIR", default_value = DEFAULT_STATE)]
    state: PathBuf,
    /// Namespace: of what is named without its own, or of all that is shown
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Namespace of the control plane
    #[arg(short = 'i', long = "istioNamespace", global = true, value_name = "NAMESPACE", default_value = SYSTEM)]
    istio_namespace: String,
    /// Port of the proxies' admin interface
    #[arg(long, global = true, value_name = "PORT", default_value_t = 15000)]
    proxy_admin_port: u16,
}

impl Mesh {
    /// The mesh itself.
    pub(crate) fn cluster(&self) -> LocalCluster {
        LocalCluster::new(&self.state, &self.mesh, self.proxy_admin_port)
    }

    /// The namespace of what is named without its own.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// The namespace that was asked for, if any.
    pub(crate) fn only(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The namespace of the control plane.
    pub(crate) fn istio_namespace(&self) -> &str {
        &self.istio_namespace
    }
}
