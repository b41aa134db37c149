//! Where a proxy's configuration is read from: a pod, by its own agent, or a file.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::pod;

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
            (Some(meant), _) => {
                let cluster = mesh.cluster();
                let pod = pod::find(&cluster, meant, mesh.namespace()).await?;
                pod::request(&cluster, &pod, "GET", path).await
            }
            (None, Some(file)) => read(file),
            (None, None) => Err(Failure::error("name a pod, or a dump by --file")),
        }
    }
}

/// A file, or standard input.
pub(crate) fn read(file: &std::path::Path) -> Result<String, Failure> {
    if file.as_os_str() == "-" {
        return Ok(std::io::read_to_string(std::io::stdin())?);
    }
    std::fs::read_to_string(file)
        .map_err(|error| Failure::error(format!("{}: {error}", file.display())))
}
