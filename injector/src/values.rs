//! The install values that injection reads, by Istio's names and with Istio's defaults; values for
//! other parts of an installation are let through. Only the image differs: ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::selector::LabelSelector;

/// The root of the values.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Values {
    /// `global`
    pub global: Global,
    /// `pilot`
    pub pilot: Pilot,
    /// `revision`: empty for the default one.
    #[serde(deserialize_with = "text")]
    pub revision: String,
    /// `sidecarInjectorWebhook`
    pub sidecar_injector_webhook: Webhook,
}

/// `global`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Global {
    /// Registry and folder of the images.
    #[serde(deserialize_with = "text")]
    pub hub: String,
    /// Tag of the images.
    #[serde(deserialize_with = "text")]
    pub tag: String,
    /// Suffix of the tag, such as `distroless`; empty for none.
    #[serde(deserialize_with = "text")]
    pub variant: String,
    /// Kubernetes' pull policy; empty for Kubernetes' own choice.
    #[serde(deserialize_with = "text")]
    pub image_pull_policy: String,
    /// Names of secrets to pull images with.
    #[serde(deserialize_with = "or_default")]
    pub image_pull_secrets: Vec<String>,
    /// Namespace of the control plane.
    #[serde(deserialize_with = "text")]
    pub istio_namespace: String,
    /// host:port of the certificate authority; empty for istiod's.
    #[serde(deserialize_with = "text")]
    pub ca_address: String,
    /// Who certifies the control plane: `istiod` mounts its root certificate.
    #[serde(deserialize_with = "text")]
    pub pilot_cert_provider: String,
    /// Name of the ConfigMap with the root certificate; empty for `istio-ca-root-cert`.
    #[serde(deserialize_with = "text")]
    pub trust_bundle_name: String,
    /// Id of the mesh; empty for the trust domain.
    #[serde(deserialize_with = "text", rename = "meshID")]
    pub mesh_id: String,
    /// Trust domain where the mesh config names none.
    #[serde(deserialize_with = "text")]
    pub trust_domain: String,
    /// Name of the network that the pods are on; empty for none.
    #[serde(deserialize_with = "text")]
    pub network: String,
    /// Mounts certificates of the secret `istio.<service account>`.
    pub mount_mtls_certs: bool,
    /// Log lines as JSON objects.
    pub log_as_json: bool,
    /// The redirect rules are made by nftables.
    pub native_nftables: bool,
    /// `global.logging`
    pub logging: Logging,
    /// `global.multiCluster`
    pub multi_cluster: MultiCluster,
    /// `global.sds`
    pub sds: Sds,
    /// `global.sts`
    pub sts: Sts,
    /// `global.proxy`
    pub proxy: Proxy,
    /// `global.proxy_init`
    #[serde(rename = "proxy_init")]
    pub proxy_init: ProxyInit,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            hub: "lateen".to_owned(),
            tag: "dev".to_owned(),
            variant: String::new(),
            image_pull_policy: String::new(),
            image_pull_secrets: Vec::new(),
            istio_namespace: "istio-system".to_owned(),
            ca_address: String::new(),
            pilot_cert_provider: "istiod".to_owned(),
            trust_bundle_name: String::new(),
            mesh_id: String::new(),
            trust_domain: String::new(),
            network: String::new(),
            mount_mtls_certs: false,
            log_as_json: false,
            native_nftables: false,
            logging: Logging::default(),
            multi_cluster: MultiCluster::default(),
            sds: Sds::default(),
            sts: Sts::default(),
            proxy: Proxy::default(),
            proxy_init: ProxyInit::default(),
        }
    }
}

/// `global.logging`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Logging {
    /// Levels of the agent, as `scope:level,...`.
    #[serde(deserialize_with = "text")]
    pub level: String,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            level: "default:info".to_owned(),
        }
    }
}

/// `global.multiCluster`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MultiCluster {
    /// Name of this cluster; empty for `Kubernetes`.
    #[serde(deserialize_with = "text")]
    pub cluster_name: String,
}

/// `global.sds`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sds {
    /// `global.sds.token`
    pub token: Token,
}

/// `global.sds.token`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Token {
    /// Audience of the service-account token.
    #[serde(deserialize_with = "text")]
    pub aud: String,
}

impl Default for Token {
    fn default() -> Self {
        Self {
            aud: "istio-ca".to_owned(),
        }
    }
}

/// `global.sts`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sts {
    /// Port of the security token service in the agent; 0 for none.
    pub service_port: u16,
}

/// `global.proxy`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proxy {
    /// Image name under the hub, or a whole image reference (with a `/`); empty for the hub's own name.
    #[serde(deserialize_with = "text")]
    pub image: String,
    /// DNS domain of the cluster.
    #[serde(deserialize_with = "text")]
    pub cluster_domain: String,
    /// Resources of the proxy's containers, as Kubernetes has them; null entries are left out.
    pub resources: Value,
    /// Log level of the data plane.
    #[serde(deserialize_with = "text")]
    pub log_level: String,
    /// Log levels of the data plane's components.
    #[serde(deserialize_with = "text")]
    pub component_log_level: String,
    /// Privileged containers.
    pub privileged: bool,
    /// Port of the agent's health checks and merged metrics; 0 for no probes.
    #[serde(deserialize_with = "text")]
    pub status_port: String,
    /// Seconds before the first readiness probe.
    #[serde(deserialize_with = "text")]
    pub readiness_initial_delay_seconds: String,
    /// Seconds between readiness probes.
    #[serde(deserialize_with = "text")]
    pub readiness_period_seconds: String,
    /// Failed readiness probes until a proxy is not ready.
    #[serde(deserialize_with = "text")]
    pub readiness_failure_threshold: String,
    /// `global.proxy.startupProbe`
    pub startup_probe: StartupProbe,
    /// Destination ranges to redirect.
    #[serde(rename = "includeIPRanges", deserialize_with = "text")]
    pub include_ip_ranges: String,
    /// Destination ranges to leave alone.
    #[serde(rename = "excludeIPRanges", deserialize_with = "text")]
    pub exclude_ip_ranges: String,
    /// Inbound ports to redirect.
    #[serde(deserialize_with = "text")]
    pub include_inbound_ports: String,
    /// Inbound ports to leave alone.
    #[serde(deserialize_with = "text")]
    pub exclude_inbound_ports: String,
    /// Outbound ports to redirect even outside the ranges.
    #[serde(deserialize_with = "text")]
    pub include_outbound_ports: String,
    /// Outbound ports to leave alone.
    #[serde(deserialize_with = "text")]
    pub exclude_outbound_ports: String,
    /// `disabled`: only pods that ask are injected.
    #[serde(deserialize_with = "text")]
    pub auto_inject: String,
    /// The application starts after the proxy is ready (classic sidecars).
    pub hold_application_until_proxy_starts: bool,
    /// Lifecycle handlers of the proxy's container, in place of the injector's.
    pub lifecycle: Value,
    /// Where the data plane logs outlier detection; empty for nowhere.
    #[serde(deserialize_with = "text")]
    pub outlier_log_path: String,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            image: String::new(),
            cluster_domain: "cluster.local".to_owned(),
            resources: serde_json::json!({
                "requests": {"cpu": "100m", "memory": "128Mi"},
                "limits": {"cpu": "2", "memory": "1Gi"},
            }),
            log_level: "warning".to_owned(),
            component_log_level: "misc:error".to_owned(),
            privileged: false,
            status_port: "15020".to_owned(),
            readiness_initial_delay_seconds: "0".to_owned(),
            readiness_period_seconds: "15".to_owned(),
            readiness_failure_threshold: "4".to_owned(),
            startup_probe: StartupProbe::default(),
            include_ip_ranges: "*".to_owned(),
            exclude_ip_ranges: String::new(),
            include_inbound_ports: "*".to_owned(),
            exclude_inbound_ports: String::new(),
            include_outbound_ports: String::new(),
            exclude_outbound_ports: String::new(),
            auto_inject: "enabled".to_owned(),
            hold_application_until_proxy_starts: false,
            lifecycle: Value::Null,
            outlier_log_path: String::new(),
        }
    }
}

/// `global.proxy.startupProbe`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartupProbe {
    /// Whether the proxy has one.
    pub enabled: bool,
    /// Failed probes, one a second, until the container is restarted.
    pub failure_threshold: i32,
}

impl Default for StartupProbe {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_threshold: 600,
        }
    }
}

/// `global.proxy_init`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyInit {
    /// Image name or reference of the init container; empty for the hub's own name.
    #[serde(deserialize_with = "text")]
    pub image: String,
    /// Replace redirect rules that are there already.
    pub force_apply_iptables: bool,
}

/// `pilot`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pilot {
    /// `pilot.cni`
    pub cni: Cni,
    /// Environment of the pilot; `ENABLE_NATIVE_SIDECARS` is read here.
    #[serde(deserialize_with = "texts")]
    pub env: BTreeMap<String, String>,
}

/// `pilot.cni`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cni {
    /// A CNI plugin sets up redirection in place of the init container.
    pub enabled: bool,
    /// `default` or `multus`.
    #[serde(deserialize_with = "text")]
    pub provider: String,
}

/// `sidecarInjectorWebhook`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// Pods that are injected where they do not say.
    #[serde(deserialize_with = "or_default")]
    pub always_inject_selector: Vec<LabelSelector>,
    /// Pods that are not injected where they do not say.
    #[serde(deserialize_with = "or_default")]
    pub never_inject_selector: Vec<LabelSelector>,
    /// Namespaces without any injection label are injected.
    pub enable_namespaces_by_default: bool,
    /// HTTP, TCP and gRPC probes go through the agent.
    #[serde(rename = "rewriteAppHTTPProbe")]
    pub rewrite_app_http_probe: bool,
    /// Annotations that every injected pod gets.
    #[serde(deserialize_with = "texts")]
    pub injected_annotations: BTreeMap<String, String>,
    /// Templates for pods that name none; empty for `sidecar`.
    #[serde(deserialize_with = "or_default")]
    pub default_templates: Vec<String>,
    /// Templates of one's own by name, Go text/templates; one of the name of a built-in stands in its place.
    #[serde(deserialize_with = "texts")]
    pub templates: BTreeMap<String, String>,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            always_inject_selector: Vec::new(),
            never_inject_selector: Vec::new(),
            enable_namespaces_by_default: false,
            rewrite_app_http_probe: true,
            injected_annotations: BTreeMap::new(),
            default_templates: Vec::new(),
            templates: BTreeMap::new(),
        }
    }
}

/// `--set` and YAML turn `4` into a number and `true` into a boolean where a text is meant.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    map.into_iter()
        .map(|(key, value)| Ok((key, scalar(value).map_err(serde::de::Error::custom)?)))
        .collect()
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn scalar(value: Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) => Err("a list stands where a text or a number is expected".to_owned()),
        Value::Object(_) => Err("a map stands where a text or a number is expected".to_owned()),
    }
}
