//! The parts of Istio's `MeshConfig` that injection reads. `defaultConfig` stays a tree: whatever
//! differs from the defaults goes to the agent as it was written.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::set;

/// What injection reads of the mesh config, with Istio's defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mesh {
    /// Port of the proxy's outbound listener.
    pub proxy_listen_port: u16,
    /// Port of the proxy's inbound listener.
    pub proxy_inbound_listen_port: u16,
    /// The trust domain.
    pub trust_domain: String,
    /// The agent serves the application's metrics with the proxy's.
    pub enable_prometheus_merge: bool,
    /// Where inbound traffic is sent: `LOCALHOST` or `PASSTHROUGH`.
    pub inbound_traffic_policy: InboundTrafficPolicy,
    /// Tracing and logging providers.
    pub extension_providers: Vec<Value>,
    /// The mesh-wide proxy config over its defaults.
    pub default_config: ProxyConfig,
}

/// `inboundTrafficPolicy`
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct InboundTrafficPolicy {
    /// `LOCALHOST` or `PASSTHROUGH` (the default, here empty).
    pub mode: String,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            proxy_listen_port: 15001,
            proxy_inbound_listen_port: 15006,
            trust_domain: "cluster.local".to_owned(),
            enable_prometheus_merge: true,
            inbound_traffic_policy: InboundTrafficPolicy::default(),
            extension_providers: Vec::new(),
            default_config: ProxyConfig::default(),
        }
    }
}

impl Mesh {
    pub(crate) fn from_value(value: &Value) -> Result<Self, serde_json::Error> {
        if value.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(value)
    }
}

/// How a pod's traffic is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interception {
    /// Network address translation to the proxy's ports.
    Redirect,
    /// Transparent proxying, which keeps the client's address.
    Tproxy,
    /// Not at all.
    None,
}

impl Interception {
    /// As annotations and arguments spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "REDIRECT",
            Self::Tproxy => "TPROXY",
            Self::None => "NONE",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Redirect, Self::Tproxy, Self::None]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

/// Istio's `ProxyConfig`, whole: defaults, then the mesh's, then the pod's annotation
/// `proxy.istio.io/config`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyConfig(Map<String, Value>);

impl Default for ProxyConfig {
    fn default() -> Self {
        Self(defaults())
    }
}

impl<'de> Deserialize<'de> for ProxyConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let over = Map::deserialize(deserializer)?;
        Self::default()
            .with(over)
            .map_err(|problem| serde::de::Error::custom(format!("defaultConfig.{problem}")))
    }
}

/// Istio's defaults: what equals them is not sent to the agent.
fn defaults() -> Map<String, Value> {
    let defaults = serde_json::json!({
        "configPath": "./etc/istio/proxy",
        "binaryPath": "/usr/local/bin/envoy",
        "serviceCluster": "istio-proxy",
        "drainDuration": "45s",
        "terminationDrainDuration": "5s",
        "discoveryAddress": "istiod.istio-system.svc:15012",
        "proxyAdminPort": 15000,
        "controlPlaneAuthPolicy": "MUTUAL_TLS",
        "statNameLength": 189,
        "statusPort": 15020,
        "interceptionMode": "REDIRECT",
    });
    match defaults {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

type Check = (&'static str, &'static str, fn(&Value) -> bool);

/// What fields are checked for, with what is said of one that does not hold.
const CHECKS: &[Check] = &[
    ("statusPort", "a port (0 to 65535)", is_port),
    ("proxyAdminPort", "a port (0 to 65535)", is_port),
    (
        "holdApplicationUntilProxyStarts",
        "true or false",
        Value::is_boolean,
    ),
    ("interceptionMode", "REDIRECT, TPROXY or NONE", |mode| {
        mode.as_str().and_then(Interception::parse).is_some()
    }),
    ("proxyMetadata", "a map of strings", is_map_of_strings),
    ("runtimeValues", "a map of strings", is_map_of_strings),
    ("concurrency", "a whole number from 0", Value::is_u64),
    ("statNameLength", "a whole number from 0", Value::is_u64),
    (
        "drainDuration",
        "whole seconds from 1s, such as 45s",
        is_seconds,
    ),
    (
        "parentShutdownDuration",
        "whole seconds from 1s, such as 60s",
        is_seconds,
    ),
    (
        "terminationDrainDuration",
        "a duration such as 5s",
        is_duration,
    ),
    ("discoveryAddress", "host:port", is_host_and_port),
    ("configPath", "a path", is_text),
    ("binaryPath", "a path", is_text),
    (
        "image",
        "a map such as {imageType: distroless}",
        Value::is_object,
    ),
    ("tracing", "a map", Value::is_object),
];

/// The fields of Istio's `ProxyConfig` (istio.io/docs/reference/config/istio.mesh.v1alpha1), in the order of their
/// declaration, in which protobuf's JSON writes them.
const FIELDS: &[&str] = &[
    "configPath",
    "binaryPath",
    "serviceCluster",
    "tracingServiceName",
    "drainDuration",
    "discoveryAddress",
    "discoveryRefreshDelay",
    "zipkinAddress",
    "statsdUdpAddress",
    "envoyMetricsServiceAddress",
    "proxyAdminPort",
    "availabilityZone",
    "controlPlaneAuthPolicy",
    "customConfigFile",
    "statNameLength",
    "concurrency",
    "proxyBootstrapTemplatePath",
    "interceptionMode",
    "tracing",
    "sds",
    "envoyAccessLogService",
    "envoyMetricsService",
    "proxyMetadata",
    "runtimeValues",
    "statusPort",
    "extraStatTags",
    "gatewayTopology",
    "terminationDrainDuration",
    "meshId",
    "readinessProbe",
    "proxyStatsMatcher",
    "holdApplicationUntilProxyStarts",
    "caCertificatesPem",
    "image",
    "privateKeyProvider",
    "proxyHeaders",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "statsCompression",
    "connectionSettings",
    "parentShutdownDuration",
];

fn is_port(value: &Value) -> bool {
    value
        .as_u64()
        .is_some_and(|port| port <= u64::from(u16::MAX))
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_map_of_strings(value: &Value) -> bool {
    let entries = value.as_object();
    entries.is_some_and(|entries| entries.values().all(Value::is_string))
}

/// As protobuf writes durations in JSON: seconds, with nine decimals at most.
fn is_duration(value: &Value) -> bool {
    let seconds = value.as_str().and_then(|text| text.strip_suffix('s'));
    seconds.is_some_and(|seconds| {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(fraction) && fraction.len() <= 9
    })
}

/// Envoy's flag takes seconds.
fn is_seconds(value: &Value) -> bool {
    let seconds = value.as_str().and_then(|text| text.strip_suffix('s'));
    is_duration(value) && seconds.is_some_and(|s| s.parse::<u64>().is_ok_and(|s| s >= 1))
}

fn is_host_and_port(value: &Value) -> bool {
    let parts = value.as_str().and_then(|text| text.rsplit_once(':'));
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

impl ProxyConfig {
    /// This config with another laid over it; maps such as `proxyMetadata` are merged. The fields
    /// that injection itself reads are checked; the error names the one that is wrong.
    pub(crate) fn with(&self, over: Map<String, Value>) -> Result<Self, String> {
        let mut merged = Value::Object(self.0.clone());
        set::merge(&mut merged, Value::Object(over));
        let Value::Object(merged) = merged else {
            return Ok(self.clone());
        };
        for (field, expected, holds) in CHECKS {
            if merged.get(*field).is_some_and(|value| !holds(value)) {
                return Err(format!("{field}: is not {expected}"));
            }
        }
        Ok(Self(merged))
    }

    /// Fields that Istio's `ProxyConfig` does not have.
    pub(crate) fn unknown_fields(over: &Map<String, Value>) -> Vec<&str> {
        let names = over.keys().map(String::as_str);
        names.filter(|name| !FIELDS.contains(name)).collect()
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn interception(&self) -> Interception {
        Interception::parse(self.text("interceptionMode")).unwrap_or(Interception::Redirect)
    }

    /// Port of the agent's health checks and merged metrics.
    pub(crate) fn status_port(&self) -> u16 {
        let port = self.0.get("statusPort").and_then(Value::as_u64);
        port.and_then(|p| u16::try_from(p).ok()).unwrap_or(15020)
    }

    pub(crate) fn hold_application(&self) -> bool {
        let hold = self.0.get("holdApplicationUntilProxyStarts");
        hold.and_then(Value::as_bool).unwrap_or_default()
    }

    /// The image type that the pod asks for, such as `distroless`.
    pub(crate) fn image_type(&self) -> &str {
        let image = self.0.get("image").and_then(|i| i.get("imageType"));
        image.and_then(Value::as_str).unwrap_or_default()
    }

    /// `proxyMetadata`: environment variables of the agent, sorted by name.
    pub(crate) fn metadata(&self) -> Vec<(&str, &str)> {
        let entries = self.0.get("proxyMetadata").and_then(Value::as_object);
        let mut entries: Vec<_> = entries
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
            .collect();
        entries.sort_unstable();
        entries
    }

    /// All of it, defaults included.
    pub(crate) fn whole(&self) -> &Map<String, Value> {
        &self.0
    }

    /// What differs from Istio's defaults, as JSON: the agent's `PROXY_CONFIG`.
    pub(crate) fn difference(&self) -> Map<String, Value> {
        let defaults = defaults();
        let differs = |(key, value): &(&String, &Value)| defaults.get(*key) != Some(*value);
        let mut fields: Vec<(String, Value)> = self
            .0
            .iter()
            .filter(differs)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        for (name, value) in &mut fields {
            if let ("proxyMetadata" | "runtimeValues", Value::Object(entries)) =
                (name.as_str(), value)
            {
                entries.sort_keys();
            }
        }
        let place = |name: &str| FIELDS.iter().position(|field| *field == name);
        fields.sort_by_key(|(name, _)| place(name).unwrap_or(FIELDS.len()));
        fields.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_field_that_cannot_be_used_is_named_with_what_it_should_be() {
        for (field, value) in [
            ("statusPort", serde_json::json!(65536)),
            ("concurrency", serde_json::json!(-1)),
            ("concurrency", serde_json::json!("two")),
            ("drainDuration", serde_json::json!("0.5s")),
            ("drainDuration", serde_json::json!("45")),
            ("terminationDrainDuration", serde_json::json!("soon")),
            ("discoveryAddress", serde_json::json!("istiod")),
            ("interceptionMode", serde_json::json!("redirect")),
            ("proxyMetadata", serde_json::json!({"A": 1})),
            ("image", serde_json::json!("distroless")),
        ] {
            let over = Map::from_iter([(field.to_owned(), value)]);
            let message = ProxyConfig::default().with(over).unwrap_err();
            assert!(
                message.starts_with(&format!("{field}: is not ")),
                "{message}"
            );
        }
        let fine = serde_json::json!({
            "concurrency": 0, "drainDuration": "23s", "terminationDrainDuration": "0.5s",
            "discoveryAddress": "istiod-canary.istio-system.svc:15012", "image": {"imageType": "debug"},
        });
        let Value::Object(fine) = fine else { return };
        assert!(ProxyConfig::default().with(fine).is_ok());
    }

    /// The other reader of the same object, in `resources`: a pod is redirected to the ports at
    /// which its proxy is told to listen.
    #[test]
    fn the_defaults_are_those_that_the_control_plane_has() {
        let (here, there) = (
            Mesh::default(),
            resources::mesh_config::MeshConfig::default(),
        );
        assert_eq!(here.proxy_listen_port, there.proxy_listen_port);
        assert_eq!(
            here.proxy_inbound_listen_port,
            there.proxy_inbound_listen_port
        );
        assert_eq!(here.trust_domain, there.trust_domain);
        assert_eq!(here.enable_prometheus_merge, there.enable_prometheus_merge);
        let there = serde_json::to_value(there.default_config).unwrap();
        for (field, value) in defaults() {
            // Read by injection alone; written another way.
            if field == "serviceCluster" || field.ends_with("Duration") {
                continue;
            }
            assert_eq!(there.get(&field), Some(&value), "{field}");
        }
    }
}
