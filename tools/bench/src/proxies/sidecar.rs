//! Proxies that are configured as Istio's are, by bootstrap, ADS and SDS: Envoy and our own.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use agent::bootstrap::{Bootstrap, Ports};
use agent::node::Node;
use agent::proxy_config::ProxyConfig;
use translate::Snapshot;

use super::{Process, Program, free_port};
use crate::failure::{Doing, Failure};
use crate::mesh::{ControlPlane, Hop, Identity, Place};

/// Starts one proxy of a mesh. The first entry of its access log makes the file `access.log` in `directory`.
pub(crate) fn start(
    program: &Program,
    snapshot: Snapshot,
    place: Place,
    identity: &Identity,
    directory: tempfile::TempDir,
) -> Result<Process, Failure> {
    let (pod, address) = match place.hop {
        Hop::Outbound => ("client-0", Ipv4Addr::LOCALHOST),
        Hop::Inbound => ("greeter-0", *place.listen.ip()),
    };
    let control = ControlPlane::start(snapshot, place, identity, directory.path())?;
    let node = Node {
        id: format!("sidecar~{address}~{pod}.default~default.svc.cluster.local"),
        cluster: "bench.default".to_owned(),
        addresses: vec![IpAddr::V4(address)],
        namespace: "default".to_owned(),
        service_account: pod.split('-').next().unwrap_or_default().to_owned(),
        locality: None,
        metadata: serde_json::Map::new(),
    };
    let ports = Ports {
        admin: free_port()?,
        status: free_port()?,
        readiness: free_port()?,
        prometheus: free_port()?,
    };
    let bootstrap = Bootstrap {
        node: &node,
        config: &ProxyConfig::default(),
        ports,
        listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
        sds_socket: &control.secrets,
        xds_socket: &control.configuration,
        outlier_log: None,
    };
    let file = directory.path().join("bootstrap.json");
    std::fs::write(&file, bootstrap.to_json().to_string()).doing("the bootstrap file")?;
    let arguments = agent::envoy::command::Command {
        binary: program.binary.clone(),
        bootstrap: file,
        log_level: Some("warning".to_owned()),
        component_log_level: Some("misc:error".to_owned()),
        concurrency: 1,
        drain: Duration::from_secs(45),
        prefer_v6: false,
    };
    let mut command = Command::new(&program.binary);
    // The name under which our own program is a data plane.
    command
        .arg0("envoy")
        .args(arguments.arguments())
        .envs(arguments.environment());
    Process::start(program.name, &mut command, directory, Some(control))
}
