//! Pods whose annotations anybody wrote: they steer injection.

use std::sync::OnceLock;

use injector::{InjectError, PodContext, Settings, inject};
use serde_json::{Value, json};

use crate::input::Input;

const NAMES: &[&str] = &[
    "sidecar.istio.io/interceptionMode",
    "status.sidecar.istio.io/port",
    "readiness.status.sidecar.istio.io/initialDelaySeconds",
    "readiness.status.sidecar.istio.io/periodSeconds",
    "readiness.status.sidecar.istio.io/failureThreshold",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/includeOutboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/excludeInterfaces",
    "traffic.sidecar.istio.io/kubevirtInterfaces",
    "istio.io/reroute-virtual-interfaces",
    "sidecar.istio.io/proxyCPU",
    "sidecar.istio.io/proxyCPULimit",
    "sidecar.istio.io/proxyMemory",
    "sidecar.istio.io/proxyMemoryLimit",
    "sidecar.istio.io/proxyImage",
    "sidecar.istio.io/proxyImageType",
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/nativeSidecar",
    "sidecar.istio.io/bootstrapOverride",
    "sidecar.istio.io/userVolume",
    "sidecar.istio.io/userVolumeMount",
    "sidecar.istio.io/rewriteAppHTTPProbers",
    "prometheus.istio.io/merge-metrics",
    "prometheus.istio.io/scrape-targets",
    "prometheus.io/port",
    "proxy.istio.io/config",
    "proxy.istio.io/overrides",
    "sidecar.istio.io/status",
    "inject.istio.io/templates",
    "k8s.v1.cni.cncf.io/networks",
];

pub(crate) fn run(bytes: &[u8]) {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(Settings::default);
    let mut input = Input(bytes);
    let mut annotations = serde_json::Map::new();
    while !input.is_empty() {
        let name = input.pick(NAMES);
        let value = String::from_utf8_lossy(input.long_piece()).into_owned();
        annotations.insert(name.to_owned(), value.into());
    }
    let pod = json!({
        "metadata": {"name": "web", "labels": {"app": "web"}, "annotations": annotations},
        "spec": {"unknown": [1], "containers": [
            {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}],
             "livenessProbe": {"httpGet": {"port": 80}}, "readinessProbe": {"grpc": {"port": 81}}},
        ]},
    });
    let context = PodContext::of_pod("shop", &pod);
    match inject(&pod, &context, settings) {
        Ok(injected) => {
            assert_eq!(injected["spec"]["unknown"], pod["spec"]["unknown"]);
            assert!(annotations_are_texts(&injected));
            inject(&injected, &context, settings).expect("what was injected can be injected anew");
        }
        Err(InjectError::Annotations(problems)) => {
            assert!(
                problems.iter().all(|p| p.starts_with("annotation ")),
                "{problems:?}"
            );
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn annotations_are_texts(pod: &Value) -> bool {
    let annotations = pod["metadata"]["annotations"].as_object();
    annotations.is_some_and(|all| all.values().all(Value::is_string))
}
