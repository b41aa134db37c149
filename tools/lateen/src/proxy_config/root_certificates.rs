//! `proxy-config rootca-compare`.

use clap::Args;
use proxyconfig::dump::ConfigDump;
use proxyconfig::secret;

use super::of_dump;
use crate::cluster::{Cluster, PodName};
use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::{output, pod};

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// A pod or a deployment: POD[.NAMESPACE], deployment/NAME[.NAMESPACE]
    #[arg(value_name = "POD1")]
    one: String,
    /// Another one
    #[arg(value_name = "POD2")]
    other: String,
}

pub(super) async fn compare(mesh: &Mesh, args: CompareArgs) -> Result<(), Failure> {
    let cluster = mesh.cluster();
    let one = pod::find(&cluster, &args.one, mesh.namespace()).await?;
    let other = pod::find(&cluster, &args.other, mesh.namespace()).await?;
    let theirs = roots(&cluster, &other).await?;
    let shared = roots(&cluster, &one)
        .await?
        .iter()
        .any(|root| theirs.contains(root));
    match shared {
        true => output::line(format!(
            "Both [{one}] and [{other}] have the identical ROOTCA, theoretically the connectivity between them is available"
        )),
        false => Err(Failure::error(format!(
            "Both [{one}] and [{other}] have the non identical ROOTCA, theoretically the connectivity between them is unavailable"
        ))),
    }
}

async fn roots(cluster: &dyn Cluster, pod: &PodName) -> Result<Vec<Vec<u8>>, Failure> {
    let dump = pod::request(cluster, pod, "GET", "config_dump").await?;
    let dump = ConfigDump::parse(&dump).map_err(of_dump)?;
    let roots = secret::roots(&dump).map_err(of_dump)?;
    match roots.is_empty() {
        true => Err(Failure::error(format!("{pod} has no secret ROOTCA"))),
        false => Ok(roots),
    }
}
