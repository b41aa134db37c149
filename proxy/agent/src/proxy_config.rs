//! The `ProxyConfig` of one proxy: what the mesh says for all (`defaultConfig`), overridden by the
//! injected variable `PROXY_CONFIG`, overridden by the annotation `proxy.istio.io/config`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A `ProxyConfig` that cannot be used, with the place it came from.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ProxyConfigError {
    origin: String,
    problem: String,
}

/// The fields of Istio's `ProxyConfig` that the agent acts on, with Istio's defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyConfig {
    /// Directory of the proxy's generated files, relative to the agent's base directory.
    pub config_path: String,
    /// `host:port` of the pilot.
    pub discovery_address: String,
    /// How long Envoy spreads the closing of connections over, once draining.
    #[serde(deserialize_with = "duration")]
    pub drain_duration: Duration,
    /// How long the agent lets Envoy drain after SIGTERM.
    #[serde(deserialize_with = "duration")]
    pub termination_drain_duration: Duration,
    /// Envoy's admin port, on loopback.
    pub proxy_admin_port: u16,
    /// The agent's own port: readiness, metrics, probes.
    pub status_port: u16,
    /// Worker threads; 0 means one per CPU, absent means by the CPU limit.
    pub concurrency: Option<u32>,
    /// Name of the service that this proxy is, for traces and `node.cluster`.
    pub service_cluster: String,
    /// Longest stat name kept whole, in bytes.
    pub stat_name_length: u32,
    /// Stats to create besides the built-in choice.
    pub proxy_stats_matcher: StatsMatcher,
    /// Further variables: `ISTIO_META_*` and the agent's own.
    pub proxy_metadata: BTreeMap<String, String>,
    /// Envoy runtime keys to set.
    pub runtime_values: BTreeMap<String, String>,
}

/// Names of Envoy stats to keep.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatsMatcher {
    /// By first characters.
    pub inclusion_prefixes: Vec<String>,
    /// By last characters.
    pub inclusion_suffixes: Vec<String>,
    /// By regular expression over the whole name.
    pub inclusion_regexps: Vec<String>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            config_path: "./etc/istio/proxy".to_owned(),
            discovery_address: "istiod.istio-system.svc:15012".to_owned(),
            drain_duration: Duration::from_secs(45),
            termination_drain_duration: Duration::from_secs(5),
            proxy_admin_port: 15000,
            status_port: 15020,
            concurrency: None,
            service_cluster: String::new(),
            stat_name_length: 189,
            proxy_stats_matcher: StatsMatcher::default(),
            proxy_metadata: BTreeMap::new(),
            runtime_values: BTreeMap::new(),
        }
    }
}

/// A protobuf duration in JSON (`5s`, `0.5s`), or the sum that Go prints (`1m30s`, `500ms`).
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    process::duration::parse(&text).map_err(serde::de::Error::custom)
}

/// Reads one layer of `ProxyConfig` from YAML. `origin` (a variable, file or annotation) is named
/// in the error.
///
/// # Errors
/// The text is not YAML or not a mapping.
pub fn layer(origin: &str, text: &str) -> Result<Map<String, Value>, ProxyConfigError> {
    let failed = |problem: String| ProxyConfigError {
        origin: origin.to_owned(),
        problem,
    };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_saphyr::from_str(text).map_err(|e| failed(format!("not valid YAML: {e}")))? {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        other => Err(failed(format!(
            "a ProxyConfig is a mapping of fields, this is `{other}`"
        ))),
    }
}

/// Lays `layers` over one another, the last one winning, and reads the outcome. The merged mapping
/// is returned too: it goes to the pilot whole, in the node's metadata.
///
/// # Errors
/// A field that the agent uses has an unusable value.
pub fn merge(
    layers: Vec<Map<String, Value>>,
) -> Result<(ProxyConfig, Map<String, Value>), ProxyConfigError> {
    let mut merged = Map::new();
    for layer in layers {
        for (key, value) in layer {
            overlay(merged.entry(key).or_insert(Value::Null), value);
        }
    }
    // The path goes with the error: "concurrency: invalid type ..." says which field it was.
    let config = typed(&merged)?;
    Ok((config, merged))
}

fn overlay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                overlay(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

fn typed(merged: &Map<String, Value>) -> Result<ProxyConfig, ProxyConfigError> {
    serde_json::from_value(Value::Object(merged.clone())).map_err(|whole| {
        // Found again one field at a time: serde_json does not say which field it was.
        let field = merged.iter().find_map(|(key, value)| {
            let one = Map::from_iter([(key.clone(), value.clone())]);
            serde_json::from_value::<ProxyConfig>(Value::Object(one))
                .err()
                .map(|e| format!("field {key}: {e}"))
        });
        ProxyConfigError {
            origin: "ProxyConfig".to_owned(),
            problem: field.unwrap_or_else(|| whole.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_variable_overrides_the_mesh_and_keeps_what_it_does_not_name() {
        let mesh = layer(
            "mesh",
            "concurrency: 4\nproxyMetadata: {A: mesh, B: mesh}\n",
        );
        let pod = layer(
            "PROXY_CONFIG",
            "proxyMetadata: {A: pod}\ndrainDuration: 7s\n",
        );
        let (config, merged) = merge(vec![mesh.unwrap(), pod.unwrap()]).unwrap();
        assert_eq!(config.concurrency, Some(4));
        assert_eq!(config.drain_duration, Duration::from_secs(7));
        assert_eq!(config.proxy_metadata.get("A").unwrap(), "pod");
        assert_eq!(config.proxy_metadata.get("B").unwrap(), "mesh");
        assert_eq!(
            merged.get("drainDuration").and_then(Value::as_str),
            Some("7s")
        );
    }

    #[test]
    fn what_injection_writes_for_no_overrides_gives_istios_defaults() {
        let (config, merged) = merge(vec![layer("PROXY_CONFIG", "{}\n").unwrap()]).unwrap();
        assert_eq!(config.discovery_address, "istiod.istio-system.svc:15012");
        assert_eq!(config.status_port, 15020);
        assert!(merged.is_empty());
    }

    #[test]
    fn a_bad_field_is_named_with_the_fix() {
        let bad = layer("PROXY_CONFIG", "drainDuration: soon\n").unwrap();
        let message = merge(vec![bad]).unwrap_err().to_string();
        for part in ["drainDuration", "soon", "1h30m"] {
            assert!(message.contains(part), "{message}");
        }
        let message = layer("PROXY_CONFIG", "- a\n- b\n").unwrap_err().to_string();
        assert!(message.contains("PROXY_CONFIG"), "{message}");
    }
}
