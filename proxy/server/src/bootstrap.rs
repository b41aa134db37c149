//! The part of Envoy's bootstrap that is read: who the proxy is, how it finds its control plane, what it serves anyhow.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use agent::node::Node;
use serde_json::Value;

/// What a bootstrap says.
#[derive(Debug)]
pub struct Bootstrap {
    /// The whole file.
    pub file: Value,
    /// Who this proxy is.
    pub node: Node,
    /// Where the admin interface listens.
    pub admin: SocketAddr,
    /// The socket of the configuration service.
    pub configuration: PathBuf,
    /// The socket of the secret service.
    pub secrets: PathBuf,
    /// Listeners that it has anyhow.
    pub listeners: Vec<FixedListener>,
    /// Clusters of theirs.
    pub clusters: Vec<FixedCluster>,
}

/// A static listener: one path that goes to one cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct FixedListener {
    /// Name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The path.
    pub path: String,
    /// The cluster.
    pub cluster: String,
}

/// A static cluster of one endpoint.
#[derive(Debug, PartialEq, Eq)]
pub struct FixedCluster {
    /// Name.
    pub name: String,
    /// The endpoint.
    pub endpoint: SocketAddr,
}

/// A bootstrap cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The file cannot be read.
    #[error("--config-path {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not JSON.
    #[error("--config-path {path}: {problem} (the file must be JSON)")]
    Json {
        /// The file.
        path: String,
        /// What and where.
        problem: serde_json::Error,
    },
    /// A field that is needed is missing, or not what it should be.
    #[error("bootstrap: {field}: {problem}")]
    Field {
        /// Path of the field.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Bootstrap {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BootstrapError`] names the file or field.
    pub fn read(path: &Path) -> Result<Self, BootstrapError> {
        let name = || path.display().to_string();
        let text = std::fs::read(path).map_err(|source| BootstrapError::File {
            path: name(),
            source,
        })?;
        let value = serde_json::from_slice(&text).map_err(|problem| BootstrapError::Json {
            path: name(),
            problem,
        })?;
        Self::parse(&value)
    }

    /// Reads a bootstrap.
    ///
    /// # Errors
    /// [`BootstrapError::Field`] names the field.
    pub fn parse(value: &Value) -> Result<Self, BootstrapError> {
        let resources = &value["static_resources"];
        let clusters = || resources["clusters"].as_array().into_iter().flatten();
        let endpoint = |cluster: &Value| {
            cluster
                .pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address")
                .cloned()
        };
        let service = |config: &str| -> Option<PathBuf> {
            let name = value.pointer(config)?.as_str()?;
            let cluster = clusters().find(|c| c["name"] == name)?;
            Some(endpoint(cluster)?.pointer("/pipe/path")?.as_str()?.into())
        };
        let configuration =
            service("/dynamic_resources/ads_config/grpc_services/0/envoy_grpc/cluster_name")
                .ok_or(BootstrapError::Field {
                    field: "dynamic_resources.ads_config",
                    problem: "no gRPC service whose cluster is one endpoint with a pipe.path",
                })?;
        let secrets = clusters()
            .find(|c| c["name"] == "sds-grpc")
            .and_then(|c| Some(endpoint(c)?.pointer("/pipe/path")?.as_str()?.into()))
            .ok_or(BootstrapError::Field {
                field: "static_resources.clusters[sds-grpc]",
                problem: "no such cluster with one endpoint that has a pipe.path",
            })?;
        let admin =
            value
                .pointer("/admin/address")
                .and_then(address)
                .ok_or(BootstrapError::Field {
                    field: "admin.address.socket_address",
                    problem: "no address and port_value",
                })?;
        Ok(Bootstrap {
            file: value.clone(),
            node: node(&value["node"])?,
            admin,
            configuration,
            secrets,
            listeners: resources["listeners"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(listener)
                .collect(),
            clusters: clusters()
                .filter_map(|c| {
                    let name = c["name"].as_str()?.to_owned();
                    Some(FixedCluster {
                        name,
                        endpoint: address(&endpoint(c)?)?,
                    })
                })
                .collect(),
        })
    }
}

fn address(value: &Value) -> Option<SocketAddr> {
    let socket = value.get("socket_address")?;
    let ip: IpAddr = socket.get("address")?.as_str()?.parse().ok()?;
    Some(SocketAddr::new(
        ip,
        u16::try_from(socket.get("port_value")?.as_u64()?).ok()?,
    ))
}

fn listener(value: &Value) -> Option<FixedListener> {
    let manager = value.pointer("/filter_chains/0/filters/0/typed_config")?;
    let route = manager.pointer("/route_config/virtual_hosts/0/routes/0")?;
    Some(FixedListener {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        address: address(&value["address"])?,
        path: route.pointer("/match/path")?.as_str()?.to_owned(),
        cluster: route.pointer("/route/cluster")?.as_str()?.to_owned(),
    })
}

fn node(value: &Value) -> Result<Node, BootstrapError> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let id = text("id");
    let metadata = value["metadata"].as_object().cloned().unwrap_or_default();
    // `sidecar~<ip>~<pod>.<namespace>~<domain>`
    let mut parts = id.split('~');
    let address = parts.nth(1).and_then(|ip| ip.parse().ok());
    let namespace = parts
        .next()
        .and_then(|name| name.split_once('.'))
        .map(|(_, namespace)| namespace.to_owned());
    let (Some(address), Some(namespace)) = (address, namespace) else {
        return Err(BootstrapError::Field {
            field: "node.id",
            problem: "not of the form TYPE~IP~NAME.NAMESPACE~DOMAIN",
        });
    };
    let of_metadata = |key: &str| {
        metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let locality = &value["locality"];
    let place = |name: &str| locality[name].as_str().unwrap_or_default().to_owned();
    Ok(Node {
        cluster: text("cluster"),
        addresses: vec![address],
        namespace,
        service_account: of_metadata("SERVICE_ACCOUNT"),
        locality: locality
            .is_object()
            .then(|| [place("region"), place("zone"), place("sub_zone")]),
        metadata,
        id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn example() -> Value {
        let pipe = |name: &str, path: &str| {
            json!({"name": name, "load_assignment": {"endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"pipe": {"path": path}}}}]}]}})
        };
        let socket = |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
        json!({
            "node": {"id": "sidecar~192.0.2.7~p.n~n.svc.cluster.local", "cluster": "c.n",
                     "metadata": {"SERVICE_ACCOUNT": "sa"}, "locality": {"region": "r", "zone": "z"}},
            "admin": {"address": socket("127.0.0.1", 15000)},
            "dynamic_resources": {"ads_config": {"grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]}},
            "static_resources": {
                "clusters": [pipe("xds-grpc", "./XDS"), pipe("sds-grpc", "./SDS"),
                    {"name": "agent", "load_assignment": {"endpoints": [{"lb_endpoints": [
                        {"endpoint": {"address": socket("127.0.0.1", 15020)}}]}]}}],
                "listeners": [{"name": "static-15021", "address": socket("0.0.0.0", 15021),
                    "filter_chains": [{"filters": [{"typed_config": {"route_config": {"virtual_hosts": [
                        {"routes": [{"match": {"path": "/healthz/ready"}, "route": {"cluster": "agent"}}]}]}}}]}]}],
            },
        })
    }

    #[test]
    fn a_bootstrap_of_the_agent_is_read() {
        let read = Bootstrap::parse(&example()).unwrap();
        assert_eq!(read.node.namespace, "n");
        assert_eq!(
            read.node.addresses,
            ["192.0.2.7".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(
            read.node.locality,
            Some(["r".into(), "z".into(), String::new()])
        );
        assert_eq!(read.configuration, Path::new("./XDS"));
        assert_eq!(read.secrets, Path::new("./SDS"));
        let endpoint = "127.0.0.1:15020".parse().unwrap();
        assert_eq!(
            read.clusters,
            [FixedCluster {
                name: "agent".into(),
                endpoint
            }]
        );
        let listener = read.listeners.first().unwrap();
        assert_eq!(
            (listener.path.as_str(), listener.cluster.as_str()),
            ("/healthz/ready", "agent")
        );
    }

    #[test]
    fn a_missing_field_is_named() {
        for (pointer, field) in [
            ("/node/id", "node.id"),
            (
                "/admin/address/socket_address/port_value",
                "admin.address.socket_address",
            ),
            (
                "/static_resources/clusters/0/name",
                "dynamic_resources.ads_config",
            ),
            (
                "/static_resources/clusters/1/name",
                "static_resources.clusters[sds-grpc]",
            ),
        ] {
            let mut value = example();
            *value.pointer_mut(pointer).unwrap() = Value::Null;
            let problem = Bootstrap::parse(&value).unwrap_err().to_string();
            assert!(problem.contains(field), "{problem}");
        }
    }
}
