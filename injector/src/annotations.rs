//! The annotations by which a pod steers its own injection: each is checked before anything is
//! built from it, and all wrong ones are named at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::error::InjectError;

pub(crate) const INTERCEPTION_MODE: &str = "sidecar.istio.io/interceptionMode";
pub(crate) const STATUS_PORT: &str = "status.sidecar.istio.io/port";
pub(crate) const INITIAL_DELAY: &str = "readiness.status.sidecar.istio.io/initialDelaySeconds";
pub(crate) const PERIOD: &str = "readiness.status.sidecar.istio.io/periodSeconds";
pub(crate) const FAILURE_THRESHOLD: &str = "readiness.status.sidecar.istio.io/failureThreshold";
pub(crate) const INCLUDE_OUTBOUND_RANGES: &str = "traffic.sidecar.istio.io/includeOutboundIPRanges";
pub(crate) const EXCLUDE_OUTBOUND_RANGES: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
pub(crate) const INCLUDE_INBOUND_PORTS: &str = "traffic.sidecar.istio.io/includeInboundPorts";
pub(crate) const EXCLUDE_INBOUND_PORTS: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
pub(crate) const INCLUDE_OUTBOUND_PORTS: &str = "traffic.sidecar.istio.io/includeOutboundPorts";
pub(crate) const EXCLUDE_OUTBOUND_PORTS: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";
pub(crate) const EXCLUDE_INTERFACES: &str = "traffic.sidecar.istio.io/excludeInterfaces";
pub(crate) const KUBEVIRT_INTERFACES: &str = "traffic.sidecar.istio.io/kubevirtInterfaces";
pub(crate) const REROUTE_INTERFACES: &str = "istio.io/reroute-virtual-interfaces";
pub(crate) const PROXY_CPU: &str = "sidecar.istio.io/proxyCPU";
pub(crate) const PROXY_CPU_LIMIT: &str = "sidecar.istio.io/proxyCPULimit";
pub(crate) const PROXY_MEMORY: &str = "sidecar.istio.io/proxyMemory";
pub(crate) const PROXY_MEMORY_LIMIT: &str = "sidecar.istio.io/proxyMemoryLimit";
pub(crate) const PROXY_IMAGE: &str = "sidecar.istio.io/proxyImage";
pub(crate) const PROXY_IMAGE_TYPE: &str = "sidecar.istio.io/proxyImageType";
pub(crate) const LOG_LEVEL: &str = "sidecar.istio.io/logLevel";
pub(crate) const COMPONENT_LOG_LEVEL: &str = "sidecar.istio.io/componentLogLevel";
pub(crate) const AGENT_LOG_LEVEL: &str = "sidecar.istio.io/agentLogLevel";
pub(crate) const NATIVE_SIDECAR: &str = "sidecar.istio.io/nativeSidecar";
pub(crate) const BOOTSTRAP_OVERRIDE: &str = "sidecar.istio.io/bootstrapOverride";
pub(crate) const USER_VOLUME: &str = "sidecar.istio.io/userVolume";
pub(crate) const USER_VOLUME_MOUNT: &str = "sidecar.istio.io/userVolumeMount";
pub(crate) const REWRITE_PROBES: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
pub(crate) const MERGE_METRICS: &str = "prometheus.istio.io/merge-metrics";
pub(crate) const PROXY_CONFIG: &str = "proxy.istio.io/config";
pub(crate) const OVERRIDES: &str = "proxy.istio.io/overrides";
pub(crate) const STATUS: &str = "sidecar.istio.io/status";
pub(crate) const TEMPLATES: &str = "inject.istio.io/templates";
pub(crate) const MULTUS_NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";

/// Annotations that Istio's injector reads and this one does not.
const WITHOUT_EFFECT: &[&str] = &["sidecar.istio.io/enableCoreDump", "apm.datadoghq.com/env"];

/// Annotations of a pod that Istio's injector would act on and this one does not, and fields of the
/// pod's proxy config that nobody knows: one message each, for callers to warn with.
pub fn annotations_without_effect(pod: &Value) -> Vec<String> {
    let annotations = crate::pod::strings(pod, "annotations");
    let there = WITHOUT_EFFECT
        .iter()
        .filter(|name| annotations.contains_key(**name));
    let mut warnings: Vec<String> = there
        .map(|name| format!("annotation {name} has no effect"))
        .collect();
    let config = annotations.get(PROXY_CONFIG);
    if let Some(Ok(Value::Object(config))) = config.map(|c| serde_saphyr::from_str(c)) {
        warnings.extend(
            crate::mesh::ProxyConfig::unknown_fields(&config)
                .iter()
                .map(|field| {
                    format!("annotation {PROXY_CONFIG}: ProxyConfig has no field {field}")
                }),
        );
    }
    warnings
}

type Check = fn(&str) -> Result<(), String>;

const CHECKS: &[(&str, Check)] = &[
    (INTERCEPTION_MODE, interception_mode),
    (STATUS_PORT, port),
    (INITIAL_DELAY, seconds),
    (PERIOD, seconds),
    (FAILURE_THRESHOLD, seconds),
    (INCLUDE_OUTBOUND_RANGES, included_ranges),
    (EXCLUDE_OUTBOUND_RANGES, excluded_ranges),
    (INCLUDE_INBOUND_PORTS, ports_or_all),
    (EXCLUDE_INBOUND_PORTS, ports),
    (INCLUDE_OUTBOUND_PORTS, ports_or_all),
    (EXCLUDE_OUTBOUND_PORTS, ports),
    (PROXY_CPU, quantity),
    (PROXY_CPU_LIMIT, quantity),
    (PROXY_MEMORY, quantity),
    (PROXY_MEMORY_LIMIT, quantity),
    (NATIVE_SIDECAR, boolean),
    (REWRITE_PROBES, boolean),
    (MERGE_METRICS, boolean),
    (USER_VOLUME, volumes),
    (USER_VOLUME_MOUNT, volumes),
    (PROXY_CONFIG, yaml_map),
    (OVERRIDES, json_map),
];

/// Annotations that passed the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Annotations(BTreeMap<String, String>);

impl Annotations {
    /// # Errors
    /// [`InjectError::Annotations`] with one message for each wrong value.
    pub(crate) fn check(entries: BTreeMap<String, String>) -> Result<Self, InjectError> {
        let wrong: Vec<String> = CHECKS
            .iter()
            .filter_map(|(name, check)| {
                let value = entries.get(*name)?;
                let problem = check(value).err()?;
                Some(format!("annotation {name}: `{value}` {problem}"))
            })
            .collect();
        if wrong.is_empty() {
            Ok(Self(entries))
        } else {
            Err(InjectError::Annotations(wrong))
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(parse_bool)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.get(name)?.trim().parse().ok()
    }

    /// A JSON object of volumes or mounts by name.
    pub(crate) fn json(&self, name: &str) -> Vec<(String, Value)> {
        let value = self.get(name).and_then(|t| serde_json::from_str(t).ok());
        match value {
            Some(Value::Object(map)) => map.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// As Go's `strconv.ParseBool` reads it, which users' annotations were written for.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn must(holds: bool, problem: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(problem.to_owned())
    }
}

fn interception_mode(text: &str) -> Result<(), String> {
    must(
        crate::mesh::Interception::parse(text).is_some(),
        "is not REDIRECT, TPROXY or NONE",
    )
}

fn boolean(text: &str) -> Result<(), String> {
    must(parse_bool(text).is_some(), "is not true or false")
}

fn seconds(text: &str) -> Result<(), String> {
    must(
        text.parse::<i32>().is_ok_and(|n| n >= 0),
        "is not a whole number from 0",
    )
}

fn port(text: &str) -> Result<(), String> {
    must(
        text.trim().parse::<u16>().is_ok(),
        "is not a port (0 to 65535)",
    )
}

fn ports(text: &str) -> Result<(), String> {
    let text = text.trim();
    let parts = text.split(',').filter(|_| !text.is_empty());
    match parts.into_iter().find(|p| p.trim().parse::<u16>().is_err()) {
        Some(part) => Err(format!(
            "is not a list of ports: `{part}` is not between 0 and 65535"
        )),
        None => Ok(()),
    }
}

fn ports_or_all(text: &str) -> Result<(), String> {
    if text == "*" { Ok(()) } else { ports(text) }
}

fn ranges(text: &str) -> Result<(), String> {
    let parts = text.split(',').filter(|_| !text.is_empty());
    match parts.into_iter().find(|p| !is_range(p.trim())) {
        Some(part) => Err(format!(
            "is not a list of address ranges: `{part}` is not like 10.96.0.0/12"
        )),
        None => Ok(()),
    }
}

fn included_ranges(text: &str) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    ranges(text).map_err(|problem| format!("{problem} (of all pods: global.proxy.includeIPRanges)"))
}

fn excluded_ranges(text: &str) -> Result<(), String> {
    ranges(text).map_err(|problem| format!("{problem} (of all pods: global.proxy.excludeIPRanges)"))
}

fn is_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// Kubernetes' quantities: a decimal number, then an exponent or one of the suffixes.
fn quantity(text: &str) -> Result<(), String> {
    const SUFFIXES: &[&str] = &[
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(digits).unwrap_or_default();
    let exponent = digits
        .strip_prefix(['e', 'E'])
        .is_some_and(|e| e.parse::<i16>().is_ok());
    must(
        number.parse::<f64>().is_ok() && (exponent || SUFFIXES.contains(&digits)),
        "is not a quantity such as 100m or 128Mi",
    )
}

fn json_map(text: &str) -> Result<(), String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err("is not a JSON object".to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

fn volumes(text: &str) -> Result<(), String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) if map.values().all(Value::is_object) => Ok(()),
        Ok(_) => Err(r#"is not a JSON object of objects, as {"name": {...}}"#.to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

fn yaml_map(text: &str) -> Result<(), String> {
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(_) | Value::Null) => Ok(()),
        Ok(_) => Err("is not a map of ProxyConfig's fields".to_owned()),
        Err(error) => Err(format!("is not YAML: {}", error.without_snippet())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problem(name: &str, value: &str) -> Option<String> {
        Annotations::check(BTreeMap::from([(name.to_owned(), value.to_owned())]))
            .err()
            .map(|e| e.to_string())
    }

    #[test]
    fn wrong_values_are_refused_with_the_annotations_name() {
        for (name, value) in [
            (INTERCEPTION_MODE, "redirect"),
            (STATUS_PORT, "65536"),
            (INITIAL_DELAY, "-1"),
            (INCLUDE_OUTBOUND_RANGES, "10.0.0.0"),
            (EXCLUDE_OUTBOUND_RANGES, "*"),
            (EXCLUDE_OUTBOUND_RANGES, "10.0.0.0/33"),
            (INCLUDE_INBOUND_PORTS, "bad"),
            (EXCLUDE_INBOUND_PORTS, "80,*"),
            (EXCLUDE_OUTBOUND_PORTS, "80,,81"),
            (MERGE_METRICS, "maybe"),
            (PROXY_CPU, "two"),
            (PROXY_CONFIG, "- a"),
            (PROXY_CONFIG, "{"),
            (USER_VOLUME, "{\"a\": 1}"),
            (OVERRIDES, "[]"),
        ] {
            let message = problem(name, value).unwrap_or_default();
            assert!(message.contains(name), "{name}={value}: {message:?}");
        }
    }

    #[test]
    fn right_values_pass() {
        for (name, value) in [
            (INTERCEPTION_MODE, "TPROXY"),
            (INCLUDE_OUTBOUND_RANGES, "*"),
            (INCLUDE_OUTBOUND_RANGES, "10.0.0.0/8,fd00::/8"),
            (INCLUDE_OUTBOUND_RANGES, ""),
            (EXCLUDE_INBOUND_PORTS, " 80, 81"),
            (PROXY_CPU, "100m"),
            (PROXY_MEMORY_LIMIT, "1.5Gi"),
            (PROXY_MEMORY, "1e9"),
            (PROXY_CONFIG, "concurrency: 2"),
        ] {
            assert_eq!(problem(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn a_misspelt_field_of_the_proxy_config_is_warned_of() {
        let config = "concurrency: 2\nholdApplicationUntilProxyStart: true\n";
        let pod = serde_json::json!({"metadata": {"annotations": {PROXY_CONFIG: config}}});
        let warnings = annotations_without_effect(&pod);
        assert_eq!(
            warnings,
            [
                "annotation proxy.istio.io/config: ProxyConfig has no field holdApplicationUntilProxyStart"
            ]
        );
    }

    #[test]
    fn every_wrong_annotation_is_named_at_once() {
        let entries = [(STATUS_PORT, "x"), (PERIOD, "y")];
        let entries = entries.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let message = Annotations::check(BTreeMap::from(entries))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(STATUS_PORT) && message.contains(PERIOD),
            "{message}"
        );
    }
}
