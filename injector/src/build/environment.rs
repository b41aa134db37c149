//! Environment variables of the proxy's containers, in the order that users see them.

use k8s_openapi::api::core::v1::{
    ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Input, volumes};
use crate::annotations::BOOTSTRAP_OVERRIDE;
use crate::pod::{self, Containers};

/// Where a custom bootstrap's ConfigMap is mounted.
pub(super) const CUSTOM_BOOTSTRAP: &str = "/etc/istio/custom-bootstrap";

/// What differs between the two kinds of proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Beside an application.
    Sidecar,
    /// On its own.
    Gateway,
    /// An agent without a data plane, for an application that speaks xDS.
    GrpcAgent,
}

pub(super) fn build(input: &Input<'_>, kind: Kind) -> Vec<EnvVar> {
    let global = &input.settings.values.global;
    let mut env = Vec::new();
    if kind == Kind::GrpcAgent {
        env.push(value("ISTIO_META_GENERATOR", "grpc"));
        env.push(value("OUTPUT_CERTS", volumes::DATA));
    }
    if input.settings.mesh.inbound_traffic_policy.mode == "LOCALHOST" && kind != Kind::Gateway {
        env.push(value("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", "true"));
    }
    env.push(value("PILOT_CERT_PROVIDER", &global.pilot_cert_provider));
    env.push(value("CA_ADDR", &ca_address(input)));
    for (name, path) in [
        ("POD_NAME", "metadata.name"),
        ("POD_NAMESPACE", "metadata.namespace"),
        ("INSTANCE_IP", "status.podIP"),
        ("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        ("HOST_IP", "status.hostIP"),
    ] {
        env.push(field(name, path));
    }
    if kind != Kind::GrpcAgent {
        env.push(limit("ISTIO_CPU_LIMIT", "limits.cpu"));
    }
    let config = Value::Object(input.proxy_config.difference());
    env.push(value("PROXY_CONFIG", &format!("{config}\n")));
    env.push(value("ISTIO_META_POD_PORTS", &pod_ports(input)));
    let containers = value(
        "ISTIO_META_APP_CONTAINERS",
        &input.app_containers().join(","),
    );
    let memory = limit("GOMEMLIMIT", "limits.memory");
    match kind {
        Kind::Sidecar => {
            env.extend([containers, memory]);
            env.extend(compliance(input));
        }
        Kind::Gateway => {
            env.push(memory);
            env.extend(compliance(input));
            env.push(containers);
        }
        Kind::GrpcAgent => env.push(containers),
    }
    env.push(value("ISTIO_META_CLUSTER_ID", input.cluster()));
    if kind != Kind::GrpcAgent {
        env.push(field("ISTIO_META_NODE_NAME", "spec.nodeName"));
        env.push(value(
            "ISTIO_META_INTERCEPTION_MODE",
            input.interception().as_str(),
        ));
    }
    env.extend(workload(input));
    if input.annotations.has(BOOTSTRAP_OVERRIDE) {
        let path = format!("{CUSTOM_BOOTSTRAP}/custom_bootstrap.json");
        env.push(value("ISTIO_BOOTSTRAP_OVERRIDE", &path));
    }
    let trust_domain = match input.settings.mesh.trust_domain.as_str() {
        "" => &global.trust_domain,
        domain => domain,
    };
    let mesh = match global.mesh_id.as_str() {
        "" => trust_domain,
        id => id,
    };
    for (name, text) in [("ISTIO_META_MESH_ID", mesh), ("TRUST_DOMAIN", trust_domain)] {
        if !text.is_empty() {
            env.push(value(name, text));
        }
    }
    env.extend(of_the_proxy_metadata(input));
    if let Some(network) = input.network() {
        env.push(value("ISTIO_META_NETWORK", network));
    }
    if kind == Kind::GrpcAgent {
        // The library resolves xds:/// names by itself.
        env.push(value("ISTIO_META_DNS_CAPTURE", "false"));
        env.push(value("DISABLE_ENVOY", "true"));
        return env;
    }
    env.extend(open_telemetry(input).map(|text| value("OTEL_RESOURCE_ATTRIBUTES", &text)));
    env
}

/// The policy that the pilot's own environment names (`pilot.env.COMPLIANCE_POLICY`) is the proxy's too.
fn compliance(input: &Input<'_>) -> Vec<EnvVar> {
    match input.settings.values.pilot.env.get("COMPLIANCE_POLICY") {
        None => vec![],
        Some(policy) if policy.is_empty() => vec![],
        Some(policy) if policy == "fips-140-3" => vec![
            value("COMPLIANCE_POLICY", policy),
            value("GODEBUG", "fips140=only"),
        ],
        Some(policy) => vec![value("COMPLIANCE_POLICY", policy)],
    }
}

/// `proxyMetadata` of the proxy config.
pub(super) fn of_the_proxy_metadata(input: &Input<'_>) -> Vec<EnvVar> {
    let entries = input.proxy_config.metadata().into_iter();
    entries.map(|(name, text)| value(name, text)).collect()
}

fn ca_address(input: &Input<'_>) -> String {
    let values = &input.settings.values;
    if !values.global.ca_address.is_empty() {
        return values.global.ca_address.clone();
    }
    let namespace = &values.global.istio_namespace;
    match values.revision.as_str() {
        "" | "default" => format!("istiod.{namespace}.svc:15012"),
        revision => format!("istiod-{revision}.{namespace}.svc:15012"),
    }
}

fn workload(input: &Input<'_>) -> Vec<EnvVar> {
    let workload = &input.context.workload;
    let label = input.labels.get("service.istio.io/workload-name");
    let name = label.unwrap_or(&workload.name);
    let mut env = Vec::new();
    if !name.is_empty() {
        env.push(value("ISTIO_META_WORKLOAD_NAME", name));
    }
    if !workload.api_version.is_empty() && !workload.name.is_empty() {
        let namespace = match input.context.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let owner = format!(
            "kubernetes://apis/{}/namespaces/{namespace}/{}s/{}",
            workload.api_version,
            workload.kind.to_lowercase(),
            workload.name
        );
        env.push(value("ISTIO_META_OWNER", &owner));
    }
    env
}

/// A container port as the proxy's metadata has it: Kubernetes' fields in Kubernetes' order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodPort {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_port: Option<i32>,
    container_port: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "hostIP")]
    host_ip: Option<String>,
}

/// The application's ports, one JSON object a line.
fn pod_ports(input: &Input<'_>) -> String {
    let lists = pod::containers(input.pod, Containers::App)
        .iter()
        .filter_map(|c| c.get("ports")?.as_array());
    let lines: Vec<String> = lists
        .flatten()
        .filter_map(|port| ContainerPort::deserialize(port).ok())
        .filter_map(|port| {
            serde_json::to_string(&PodPort {
                name: port.name,
                host_port: port.host_port,
                container_port: port.container_port,
                protocol: port.protocol,
                host_ip: port.host_ip,
            })
            .ok()
        })
        .collect();
    if lines.is_empty() {
        return "[\n]".to_owned();
    }
    format!("[\n    {}\n]", lines.join("\n    ,"))
}

/// OpenTelemetry's conventions for Kubernetes, where a tracing provider asks for them.
fn open_telemetry(input: &Input<'_>) -> Option<String> {
    let asked = input.settings.mesh.extension_providers.iter().any(|p| {
        let provider = p.get("opentelemetry");
        let enrichment = provider.and_then(|o| o.get("serviceAttributeEnrichment"));
        enrichment.and_then(Value::as_str) == Some("OTEL_SEMANTIC_CONVENTIONS")
    });
    let containers = input.app_containers();
    let container = containers.first().filter(|_| asked)?;
    let namespace = &input.context.namespace;
    let mut attributes = vec![format!("service.namespace={namespace}")];
    if let Some(version) = input.labels.get("app.kubernetes.io/version") {
        attributes.push(format!("service.version={version}"));
    }
    attributes.push(format!(
        "service.instance.id={namespace}.$(POD_NAME).{container}"
    ));
    Some(attributes.join(","))
}

pub(super) fn value(name: &str, text: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(text.to_owned()).filter(|t| !t.is_empty()),
        ..EnvVar::default()
    }
}

pub(super) fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

fn limit(name: &str, resource: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            resource_field_ref: Some(ResourceFieldSelector {
                divisor: Some(Quantity("1".to_owned())),
                resource: resource.to_owned(),
                ..ResourceFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}
