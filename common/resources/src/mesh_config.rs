//! The mesh's own configuration (`MeshConfig`) and that of each proxy (`ProxyConfig`), with Istio's
//! defaults. Fields that are not read are warnings, as in any other object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::decode;
use crate::istio::duration::GoDuration;
use crate::problem::Problem;

/// `MeshConfig`, as far as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshConfig {
    /// File that access logs go to; empty means none.
    pub access_log_file: String,
    /// Format of a line; empty means Istio's own.
    pub access_log_format: String,
    /// `TEXT` or `JSON`.
    pub access_log_encoding: AccessLogEncoding,
    /// Whether requests are traced.
    pub enable_tracing: bool,
    /// How long a listener waits for the client's first bytes; zero means for ever.
    pub protocol_detection_timeout: GoDuration,
    /// The trust domain of all identities.
    pub trust_domain: String,
    /// Other trust domains whose identities are as good.
    pub trust_domain_aliases: Vec<String>,
    /// Mutual TLS towards endpoints that have a sidecar, without a DestinationRule.
    pub enable_auto_mtls: bool,
    /// What happens to traffic to unknown hosts.
    pub outbound_traffic_policy: OutboundTrafficPolicy,
    /// How inbound traffic reaches the application.
    pub inbound_traffic_policy: InboundTrafficPolicy,
    /// Namespace whose configuration is for the whole mesh.
    pub root_namespace: String,
    /// Port that outbound traffic is redirected to.
    pub proxy_listen_port: u16,
    /// Port that inbound traffic is redirected to.
    pub proxy_inbound_listen_port: u16,
    /// For connections to other workloads.
    pub connect_timeout: GoDuration,
    /// For services without `networking.istio.io/exportTo`.
    pub default_service_export_to: Vec<String>,
    /// For VirtualServices without `exportTo`.
    pub default_virtual_service_export_to: Vec<String>,
    /// For DestinationRules without `exportTo`.
    pub default_destination_rule_export_to: Vec<String>,
    /// Time between look-ups of DNS clusters.
    pub dns_refresh_rate: GoDuration,
    /// Merge the application's metrics into the proxy's.
    pub enable_prometheus_merge: bool,
    /// Name of the ingress gateway's service.
    pub ingress_service: String,
    /// Label of the ingress gateway's workload.
    pub ingress_selector: String,
    /// Ingress class served.
    pub ingress_class: String,
    /// `STRICT`, `DEFAULT` or `OFF`.
    pub ingress_controller_mode: String,
    /// Defaults for every proxy.
    pub default_config: ProxyConfig,
}

/// `MeshConfig.AccessLogEncoding`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessLogEncoding {
    /// A line of text.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// `MeshConfig.OutboundTrafficPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutboundTrafficPolicy {
    /// The mode.
    pub mode: OutboundMode,
}

/// `MeshConfig.OutboundTrafficPolicy.Mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundMode {
    /// Unknown hosts are refused.
    RegistryOnly,
    /// Unknown hosts are passed through.
    #[default]
    AllowAny,
}

/// `MeshConfig.InboundTrafficPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InboundTrafficPolicy {
    /// The mode.
    pub mode: InboundMode,
}

/// `MeshConfig.InboundTrafficPolicy.Mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundMode {
    /// To the address that was called.
    #[default]
    Passthrough,
    /// To 127.0.0.1.
    Localhost,
}

impl Default for MeshConfig {
    fn default() -> Self {
        let everywhere = || vec!["*".to_owned()];
        let seconds = |s| GoDuration(std::time::Duration::from_secs(s));
        Self {
            access_log_file: String::new(),
            access_log_format: String::new(),
            access_log_encoding: AccessLogEncoding::Text,
            enable_tracing: true,
            protocol_detection_timeout: seconds(0),
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
            enable_auto_mtls: true,
            outbound_traffic_policy: OutboundTrafficPolicy::default(),
            inbound_traffic_policy: InboundTrafficPolicy::default(),
            root_namespace: "istio-system".to_owned(),
            proxy_listen_port: 15001,
            proxy_inbound_listen_port: 15006,
            connect_timeout: seconds(10),
            default_service_export_to: everywhere(),
            default_virtual_service_export_to: everywhere(),
            default_destination_rule_export_to: everywhere(),
            dns_refresh_rate: seconds(60),
            enable_prometheus_merge: true,
            ingress_service: "istio-ingressgateway".to_owned(),
            ingress_selector: "ingressgateway".to_owned(),
            ingress_class: "istio".to_owned(),
            ingress_controller_mode: "STRICT".to_owned(),
            default_config: ProxyConfig::default(),
        }
    }
}

/// `ProxyConfig`, as far as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyConfig {
    /// Folder of the generated configuration.
    pub config_path: String,
    /// Path of the data plane's binary.
    pub binary_path: String,
    /// How long old connections are drained after a change of listeners.
    pub drain_duration: GoDuration,
    /// How long the agent waits before it ends the data plane.
    pub termination_drain_duration: GoDuration,
    /// Address of the control plane's discovery service.
    pub discovery_address: String,
    /// Port of the data plane's admin interface.
    pub proxy_admin_port: u16,
    /// How the control plane is authenticated: `MUTUAL_TLS` or `NONE`.
    pub control_plane_auth_policy: String,
    /// Longest name in statistics.
    pub stat_name_length: u32,
    /// Worker threads; 0 means one per core, none means from the CPU limit.
    pub concurrency: Option<u32>,
    /// Port of the agent's own HTTP server.
    pub status_port: u16,
    /// Environment of the data plane.
    pub proxy_metadata: BTreeMap<String, String>,
    /// Start the application only once the proxy is ready.
    pub hold_application_until_proxy_starts: bool,
    /// `REDIRECT`, `TPROXY` or `NONE`.
    pub interception_mode: String,
    /// Name of the mesh.
    pub mesh_id: String,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        let seconds = |s| GoDuration(std::time::Duration::from_secs(s));
        Self {
            config_path: "./etc/istio/proxy".to_owned(),
            binary_path: "/usr/local/bin/envoy".to_owned(),
            drain_duration: seconds(45),
            termination_drain_duration: seconds(5),
            discovery_address: "istiod.istio-system.svc:15012".to_owned(),
            proxy_admin_port: 15000,
            control_plane_auth_policy: "MUTUAL_TLS".to_owned(),
            stat_name_length: 189,
            concurrency: None,
            status_port: 15020,
            proxy_metadata: BTreeMap::new(),
            hold_application_until_proxy_starts: false,
            interception_mode: "REDIRECT".to_owned(),
            mesh_id: String::new(),
        }
    }
}

impl MeshConfig {
    /// Reads the text of ConfigMap `istio`'s key `mesh` over the defaults. The problems are
    /// warnings about fields that are not read.
    ///
    /// # Errors
    /// Text that is not YAML, or a field that does not fit; the defaults are not touched then.
    pub fn from_yaml(text: &str, source: &str) -> Result<(Self, Vec<Problem>), Problem> {
        read(text, source, "MeshConfig")
    }
}

impl ProxyConfig {
    /// Reads a `PROXY_CONFIG` value or a `proxy.istio.io/config` annotation over the defaults.
    ///
    /// # Errors
    /// As for [`MeshConfig::from_yaml`].
    pub fn from_yaml(text: &str, source: &str) -> Result<(Self, Vec<Problem>), Problem> {
        read(text, source, "ProxyConfig")
    }
}

fn read<T: Default + serde::de::DeserializeOwned>(
    text: &str,
    source: &str,
    kind: &str,
) -> Result<(T, Vec<Problem>), Problem> {
    if text.trim().is_empty() {
        return Ok((T::default(), Vec::new()));
    }
    let value: serde_json::Value = serde_saphyr::from_str(text)
        .map_err(|e| Problem::error(source, format!("is not YAML: {e}")).about(kind))?;
    if value.is_null() {
        return Ok((T::default(), Vec::new()));
    }
    let (parsed, unknown) = decode(&value).map_err(|misfit| {
        Problem::error(source, misfit.message)
            .about(kind)
            .at_field(misfit.path)
    })?;
    let warning = |message| Problem::warning(source, message).about(kind);
    let mut warnings: Vec<_> = unknown
        .paths
        .into_iter()
        .map(|path| {
            warning("is not read by this control plane; it has no effect".to_owned()).at_field(path)
        })
        .collect();
    if unknown.more > 0 {
        warnings.push(warning(format!(
            "has {} more fields that are not read",
            unknown.more
        )));
    }
    Ok((parsed, warnings))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;

    #[test]
    fn an_empty_mesh_config_has_istios_defaults() {
        let (mesh, problems) = MeshConfig::from_yaml("", "mesh").unwrap();
        assert!(problems.is_empty());
        assert_eq!(mesh, MeshConfig::default());
        assert_eq!(mesh.root_namespace, "istio-system");
        assert_eq!(mesh.connect_timeout.to_string(), "10s");
        assert!(mesh.enable_auto_mtls);
        assert_eq!(
            mesh.default_config.discovery_address,
            "istiod.istio-system.svc:15012"
        );
    }

    #[test]
    fn what_is_written_overrides_the_default_and_the_rest_stays() {
        let text = "accessLogFile: /dev/stdout\noutboundTrafficPolicy:\n  mode: REGISTRY_ONLY\ndefaultConfig:\n  concurrency: 2\n";
        let (mesh, problems) = MeshConfig::from_yaml(text, "mesh").unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(mesh.access_log_file, "/dev/stdout");
        assert_eq!(
            mesh.outbound_traffic_policy.mode,
            OutboundMode::RegistryOnly
        );
        assert_eq!(mesh.default_config.concurrency, Some(2));
        assert_eq!(mesh.default_config.status_port, 15020);
    }

    #[test]
    fn a_field_that_is_not_read_is_named_and_a_wrong_one_refused() {
        let (_, problems) = MeshConfig::from_yaml("h2UpgradePolicy: UPGRADE\n", "mesh").unwrap();
        assert_eq!(problems[0].field.as_deref(), Some("h2UpgradePolicy"));
        let error = MeshConfig::from_yaml("connectTimeout: soon\n", "mesh").unwrap_err();
        assert_eq!(error.field.as_deref(), Some("connectTimeout"));
    }
}
