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

impl ProxyConfig {
    /// This config with another laid over it; maps such as `proxyMetadata` are merged. The fields
    /// that injection itself reads are checked; the error names the one that is wrong.
    pub(crate) fn with(&self, over: Map<String, Value>) -> Result<Self, String> {
        let mut merged = Value::Object(self.0.clone());
        set::merge(&mut merged, Value::Object(over));
        let Value::Object(merged) = merged else {
            return Ok(self.clone());
        };
        let config = Self(merged);
        let port = config.0.get("statusPort");
        if port.is_some_and(|p| p.as_u64().is_none_or(|p| p > u64::from(u16::MAX))) {
            return Err("statusPort: is not a port (0 to 65535)".to_owned());
        }
        let hold = config.0.get("holdApplicationUntilProxyStarts");
        if hold.is_some_and(|h| !h.is_boolean()) {
            return Err("holdApplicationUntilProxyStarts: is not true or false".to_owned());
        }
        if Interception::parse(config.text("interceptionMode")).is_none() {
            return Err("interceptionMode: is not REDIRECT, TPROXY or NONE".to_owned());
        }
        match config.0.get("proxyMetadata") {
            None => {}
            Some(Value::Object(entries)) if entries.values().all(Value::is_string) => {}
            Some(_) => return Err("proxyMetadata: is not a map of strings".to_owned()),
        }
        Ok(config)
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
        self.0
            .iter()
            .filter(differs)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
