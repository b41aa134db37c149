//! Who this proxy is to the pilot: the xDS node with Istio's identifier and metadata.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::environment::Environment;

/// The Istio release whose control-plane protocol this agent speaks. A pilot reads it as
/// `ISTIO_VERSION` to know what the data plane can take.
pub const ISTIO_VERSION: &str = "1.32.0";

/// The pod does not say who it is.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A variable of the injected container is missing.
    #[error("{0} is not set; injection sets it from the pod's fields ({1})")]
    Unset(&'static str, &'static str),
    /// A variable is not what it should be.
    #[error("{variable}: {problem}")]
    Unusable {
        /// Name of the variable.
        variable: String,
        /// What is wrong, and with what.
        problem: String,
    },
}

/// What a proxy is in the mesh; the first part of its identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The proxy of one workload.
    Sidecar,
    /// A gateway: a workload of its own, to which nothing is redirected.
    Router,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
        })
    }
}

/// The xDS node, and the parts of it that the agent itself uses.
#[derive(Debug, Clone)]
pub struct Node {
    /// `<kind>~<ip>~<pod>.<namespace>~<dns domain>`.
    pub id: String,
    /// `<app>.<namespace>`, or the configured service cluster.
    pub cluster: String,
    /// The pod's addresses, the first one being its identity.
    pub addresses: Vec<IpAddr>,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's service account.
    pub service_account: String,
    /// Region, zone and sub-zone, from the label `istio-locality`.
    pub locality: Option<[String; 3]>,
    /// Istio's node metadata.
    pub metadata: Map<String, Value>,
}

impl Node {
    /// As `envoy.config.core.v3.Node` in JSON, which every bootstrap has.
    pub fn to_json(&self) -> Value {
        let mut node = json!({
            "id": self.id,
            "cluster": self.cluster,
            "metadata": self.metadata,
        });
        if let (Some([region, zone, sub_zone]), Some(fields)) =
            (&self.locality, node.as_object_mut())
        {
            fields.insert(
                "locality".to_owned(),
                json!({"region": region, "zone": zone, "sub_zone": sub_zone}),
            );
        }
        node
    }

    /// The node of a proxy of this kind. `dns_domain` is `--domain` (`<namespace>.svc.<cluster domain>`;
    /// absent means `cluster.local`), `service_cluster` the configured name if any, `proxy_config`
    /// the merged `ProxyConfig` as it was written.
    ///
    /// # Errors
    /// [`NodeError`] names the variable that is missing or wrong.
    pub fn of(
        kind: Kind,
        environment: &Environment,
        dns_domain: Option<&str>,
        service_cluster: Option<&str>,
        proxy_config: &Map<String, Value>,
    ) -> Result<Self, NodeError> {
        let required = |variable, field| {
            environment
                .get(variable)
                .ok_or(NodeError::Unset(variable, field))
        };
        let addresses = addresses(required("INSTANCE_IP", "status.podIP")?)?;
        let pod = required("POD_NAME", "metadata.name")?;
        let namespace = required("POD_NAMESPACE", "metadata.namespace")?.to_owned();
        let service_account = environment
            .get("SERVICE_ACCOUNT")
            .unwrap_or("default")
            .to_owned();
        let domain = match dns_domain.filter(|d| !d.is_empty()) {
            Some(domain) => domain.to_owned(),
            None => format!("{namespace}.svc.cluster.local"),
        };
        let first = addresses
            .first()
            .ok_or(NodeError::Unset("INSTANCE_IP", "status.podIP"))?;
        Ok(Self {
            id: format!("{kind}~{first}~{pod}.{namespace}~{domain}"),
            cluster: cluster(environment, service_cluster, &namespace),
            locality: environment
                .labels
                .get("istio-locality")
                .map(|l| locality(l)),
            metadata: metadata(
                environment,
                &addresses,
                &namespace,
                &service_account,
                proxy_config,
            )?,
            addresses,
            namespace,
            service_account,
        })
    }
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, NodeError> {
    text.split(',')
        .map(|part| {
            part.trim().parse().map_err(|_| NodeError::Unusable {
                variable: "INSTANCE_IP".to_owned(),
                problem: format!("`{part}` is not an IP address"),
            })
        })
        .collect()
}

fn cluster(environment: &Environment, configured: Option<&str>, namespace: &str) -> String {
    // `istio-proxy` is the old default of the field, not a name that someone chose.
    if let Some(name) = configured.filter(|name| !name.is_empty() && *name != "istio-proxy") {
        return name.to_owned();
    }
    let label = |name| environment.labels.get(name).filter(|v| !v.is_empty());
    match label("app").or_else(|| label("service.istio.io/canonical-name")) {
        Some(app) => format!("{app}.{namespace}"),
        None => format!("istio-proxy.{namespace}"),
    }
}

/// `region/zone/subzone`, in a label (where a slash is not allowed) written with dots.
fn locality(label: &str) -> [String; 3] {
    let separator = if label.contains('/') { '/' } else { '.' };
    let mut parts = label.splitn(3, separator).map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Variables that become metadata under their own name when they are set.
const PASSED_ON: [&str; 2] = [
    "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
    "WORKLOAD_IDENTITY_SOCKET_FILE",
];

fn metadata(
    environment: &Environment,
    addresses: &[IpAddr],
    namespace: &str,
    service_account: &str,
    proxy_config: &Map<String, Value>,
) -> Result<Map<String, Value>, NodeError> {
    let mut metadata = Map::new();
    let mut put = |key: &str, value: Value| {
        metadata.insert(key.to_owned(), value);
    };
    let ips: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    put("INSTANCE_IPS", json!(ips.join(",")));
    put("NAMESPACE", json!(namespace));
    put("SERVICE_ACCOUNT", json!(service_account));
    put("ISTIO_VERSION", json!(ISTIO_VERSION));
    put("LABELS", json!(environment.labels));
    put("ANNOTATIONS", json!(environment.annotations));
    put("PROXY_CONFIG", Value::Object(proxy_config.clone()));
    for (key, variable) in [("NAME", "POD_NAME"), ("NODE_NAME", "NODE_NAME")] {
        if let Some(value) = environment.get(variable) {
            put(key, json!(value));
        }
    }
    for key in PASSED_ON {
        if let Some(value) = environment.get(key) {
            put(key, json!(value));
        }
    }
    for key in ["ENVOY_STATUS_PORT", "ENVOY_PROMETHEUS_PORT"] {
        if let Some(port) = port(environment, key)? {
            put(key, json!(port));
        }
    }
    // What the deployer says about the node wins over what the agent derived.
    for (variable, value) in &environment.variables {
        if let Some(key) = variable.strip_prefix("ISTIO_META_") {
            put(key, json!(value));
        }
    }
    for (variable, value) in &environment.variables {
        if !variable.starts_with("ISTIO_METAJSON_") {
            continue;
        }
        let parsed: Map<String, Value> =
            serde_json::from_str(value).map_err(|e| NodeError::Unusable {
                variable: variable.clone(),
                problem: format!("must be a JSON object whose fields become metadata: {e}"),
            })?;
        for (key, value) in parsed {
            put(&key, value);
        }
    }
    Ok(metadata)
}

/// A port number from a variable.
///
/// # Errors
/// The variable is set to something else.
pub fn port(environment: &Environment, variable: &str) -> Result<Option<u16>, NodeError> {
    environment
        .get(variable)
        .map(|text| {
            text.parse().map_err(|_| NodeError::Unusable {
                variable: variable.to_owned(),
                problem: format!("`{text}` is not a port (1-65535)"),
            })
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn injected() -> Environment {
        let mut environment = Environment::default();
        for (key, value) in [
            ("POD_NAME", "greeter-7d4-x2"),
            ("POD_NAMESPACE", "default"),
            ("INSTANCE_IP", "10.244.0.7"),
            ("SERVICE_ACCOUNT", "greeter"),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            ("ISTIO_META_POD_PORTS", "[{\"containerPort\":50051}]"),
            ("ISTIO_META_WORKLOAD_NAME", "greeter"),
        ] {
            environment.variables.insert(key.into(), value.into());
        }
        environment.labels.insert("app".into(), "greeter".into());
        environment
    }

    fn node(environment: &Environment) -> Result<Node, NodeError> {
        Node::of(
            Kind::Sidecar,
            environment,
            Some("default.svc.cluster.local"),
            None,
            &Map::new(),
        )
    }

    #[test]
    fn the_identifier_has_istios_four_parts() {
        let node = node(&injected()).unwrap();
        assert_eq!(
            node.id,
            "sidecar~10.244.0.7~greeter-7d4-x2.default~default.svc.cluster.local"
        );
        assert_eq!(node.cluster, "greeter.default");
    }

    #[test]
    fn istio_meta_variables_become_metadata_as_they_are() {
        let metadata = node(&injected()).unwrap().metadata;
        assert_eq!(metadata["CLUSTER_ID"], "Kubernetes");
        assert_eq!(metadata["POD_PORTS"], "[{\"containerPort\":50051}]");
        assert_eq!(metadata["WORKLOAD_NAME"], "greeter");
        assert_eq!(metadata["LABELS"]["app"], "greeter");
        assert_eq!(metadata["SERVICE_ACCOUNT"], "greeter");
        assert_eq!(metadata["INSTANCE_IPS"], "10.244.0.7");
        assert_eq!(metadata["ISTIO_VERSION"], ISTIO_VERSION);
        assert!(!metadata.contains_key("LATEEN_EXTENSIONS"));
    }

    #[test]
    fn json_metadata_keeps_its_types() {
        let mut environment = injected();
        environment.variables.insert(
            "ISTIO_METAJSON_X".into(),
            "{\"LATEEN_EXTENSIONS\":[\"istio.alpn\"]}".into(),
        );
        let metadata = node(&environment).unwrap().metadata;
        assert_eq!(metadata["LATEEN_EXTENSIONS"], json!(["istio.alpn"]));
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named() {
        let mut environment = injected();
        environment.variables.remove("POD_NAME");
        assert!(
            node(&environment)
                .unwrap_err()
                .to_string()
                .contains("POD_NAME")
        );
        let mut environment = injected();
        environment
            .variables
            .insert("INSTANCE_IP".into(), "ten".into());
        assert!(
            node(&environment)
                .unwrap_err()
                .to_string()
                .contains("`ten`")
        );
    }

    #[test]
    fn a_dual_stack_pod_is_known_by_its_first_address() {
        let mut environment = injected();
        environment
            .variables
            .insert("INSTANCE_IP".into(), "10.0.0.1,fd00::1".into());
        let node = node(&environment).unwrap();
        assert!(node.id.starts_with("sidecar~10.0.0.1~"));
        assert_eq!(node.addresses.len(), 2);
        assert_eq!(node.metadata["INSTANCE_IPS"], "10.0.0.1,fd00::1");
    }

    #[test]
    fn the_locality_label_is_split_into_region_zone_and_subzone() {
        let mut environment = injected();
        environment
            .labels
            .insert("istio-locality".into(), "eu.west-1.b".into());
        let node = node(&environment).unwrap();
        assert_eq!(
            node.locality.unwrap(),
            ["eu", "west-1", "b"].map(String::from)
        );
    }
}
