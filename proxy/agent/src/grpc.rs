//! The agent beside an application that speaks xDS itself (template `grpc-agent`): the bootstrap that gRPC reads, and
//! what such a pod's readiness depends on.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::certificate::output::Output;
use crate::node::Node;

/// How often gRPC looks for renewed certificates in their files.
const REFRESH: &str = "900s";

/// gRPC's listeners are asked for by this name, `%s` being `address:port`, as Istio's pilot knows them.
const SERVER_LISTENER: &str = "xds.istio.io/grpc/lds/inbound/%s";

/// What gRPC is told (`GRPC_XDS_BOOTSTRAP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcBootstrap {
    /// The file.
    pub path: PathBuf,
    /// Where the workload's certificate is written, if it is.
    pub certificates: Option<Output>,
}

impl GrpcBootstrap {
    /// The bootstrap as gRFC A27 has it, with the certificates of A29 and the listeners of A36.
    pub fn to_json(&self, node: &Node, xds_socket: &Path) -> Value {
        let mut bootstrap = json!({
            "xds_servers": [{
                // The application need not run in the agent's directory.
                "server_uri": format!("unix://{}", absolute(xds_socket).display()),
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }],
            "node": node.to_json(),
            "server_listener_resource_name_template": SERVER_LISTENER,
        });
        if let (Some(output), Some(fields)) = (&self.certificates, bootstrap.as_object_mut()) {
            let providers = json!({"default": {
                "plugin_name": "file_watcher",
                "config": {
                    "certificate_file": absolute(&output.chain()),
                    "private_key_file": absolute(&output.key()),
                    "ca_certificate_file": absolute(&output.roots()),
                    "refresh_interval": REFRESH,
                },
            }});
            fields.insert("certificate_providers".to_owned(), providers);
        }
        bootstrap
    }

    /// Whether all files are there that the application needs to start.
    ///
    /// # Errors
    /// Names the first one that is missing.
    pub fn check(&self) -> Result<(), String> {
        let mut needed = vec![self.path.clone()];
        if let Some(output) = &self.certificates {
            needed.extend([output.chain(), output.key(), output.roots()]);
        }
        match needed.iter().find(|file| !file.exists()) {
            Some(missing) => Err(format!("{} is not written yet", missing.display())),
            None => Ok(()),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only where there is no working directory; then what was given is all there is.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
