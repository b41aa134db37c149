//! Fields that are read but have no effect here yet. The list says what is honoured, so that a
//! field nobody thought of is reported and not lost.

use resources::istio::destination_rule::DestinationRuleSpec;
use resources::istio::virtual_service::VirtualServiceSpec;
use resources::mesh_config::MeshConfig;
use resources::problem::Problem;
use serde::Serialize;
use serde_json::Value;

/// Honoured paths; `*` is any key, and what lies below a path is honoured with it.
const VIRTUAL_SERVICE: &[&str] = &[
    "hosts",
    "gateways",
    "exportTo",
    "http.name",
    "http.match",
    "http.route",
    "http.redirect",
    "http.directResponse.status",
    "http.directResponse.body.string",
    "http.rewrite",
    "http.timeout",
    "http.retries.attempts",
    "http.retries.perTryTimeout",
    "http.retries.retryOn",
    "http.retries.retryIgnorePreviousHosts",
    "http.retries.backoff",
    "http.fault.delay.fixedDelay",
    "http.fault.delay.percentage",
    "http.fault.delay.percent",
    "http.fault.abort.httpStatus",
    "http.fault.abort.grpcStatus",
    "http.fault.abort.percentage",
    "http.mirror",
    "http.mirrorPercentage",
    "http.mirrorPercent",
    "http.mirrors",
    "http.corsPolicy",
    "http.headers",
];

const POLICY: &[&str] = &[
    "port",
    "loadBalancer.simple",
    "loadBalancer.consistentHash.httpHeaderName",
    "loadBalancer.consistentHash.httpCookie.name",
    "loadBalancer.consistentHash.httpCookie.path",
    "loadBalancer.consistentHash.httpCookie.ttl",
    "loadBalancer.consistentHash.useSourceIp",
    "loadBalancer.consistentHash.httpQueryParameterName",
    "loadBalancer.consistentHash.ringHash",
    "loadBalancer.consistentHash.maglev",
    "loadBalancer.consistentHash.minimumRingSize",
    "loadBalancer.warmup",
    "loadBalancer.warmupDurationSecs",
    "connectionPool.tcp.maxConnections",
    "connectionPool.tcp.connectTimeout",
    "connectionPool.tcp.tcpKeepalive",
    "connectionPool.tcp.maxConnectionDuration",
    "connectionPool.http",
    "outlierDetection.consecutiveErrors",
    "outlierDetection.splitExternalLocalOriginErrors",
    "outlierDetection.consecutiveLocalOriginFailures",
    "outlierDetection.consecutiveGatewayErrors",
    "outlierDetection.consecutive5xxErrors",
    "outlierDetection.interval",
    "outlierDetection.baseEjectionTime",
    "outlierDetection.maxEjectionPercent",
    "outlierDetection.minHealthPercent",
    "tls.mode",
    "tls.clientCertificate",
    "tls.privateKey",
    "tls.caCertificates",
    "tls.subjectAltNames",
    "tls.sni",
    "tls.insecureSkipVerify",
    "retryBudget",
];

const DESTINATION_RULE: &[&str] = &[
    "host",
    "exportTo",
    "workloadSelector",
    "subsets.name",
    "subsets.labels",
];

pub(super) fn virtual_service(spec: &VirtualServiceSpec, object: &str) -> Vec<Problem> {
    report(spec, object, |path| within(path, VIRTUAL_SERVICE))
}

pub(super) fn destination_rule(spec: &DestinationRuleSpec, object: &str) -> Vec<Problem> {
    report(spec, object, |path| {
        let policy = path
            .strip_prefix("trafficPolicy.")
            .or_else(|| path.strip_prefix("subsets.trafficPolicy."));
        match policy {
            Some(policy) => within(
                policy.strip_prefix("portLevelSettings.").unwrap_or(policy),
                POLICY,
            ),
            None => within(path, DESTINATION_RULE),
        }
    })
}

/// Fields of the mesh's configuration that ask for something other than the default.
pub(super) fn mesh(mesh: &MeshConfig) -> Vec<Problem> {
    let usual = MeshConfig::default();
    let changed = [
        (
            "dnsRefreshRate",
            mesh.dns_refresh_rate != usual.dns_refresh_rate,
        ),
        (
            "ingressService",
            mesh.ingress_service != usual.ingress_service,
        ),
        (
            "ingressSelector",
            mesh.ingress_selector != usual.ingress_selector,
        ),
        ("ingressClass", mesh.ingress_class != usual.ingress_class),
        (
            "ingressControllerMode",
            mesh.ingress_controller_mode != usual.ingress_controller_mode,
        ),
    ];
    changed
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(field, _)| {
            Problem::warning("", NOT_HONOURED)
                .about("MeshConfig")
                .at_field(field)
        })
        .collect()
}

const NOT_HONOURED: &str = "is not honoured by this version; it has no effect";

fn within(path: &str, honoured: &[&str]) -> bool {
    honoured.iter().any(|h| {
        path.strip_prefix(h)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn report(spec: &impl Serialize, object: &str, honoured: impl Fn(&str) -> bool) -> Vec<Problem> {
    let Ok(value) = serde_json::to_value(spec) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    walk(&value, "", "spec", &honoured, &mut |field| {
        problems.push(
            Problem::warning("", NOT_HONOURED)
                .about(object)
                .at_field(field),
        );
    });
    problems
}

/// Values that say nothing: what a field holds when it was not written.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_unset),
        Value::Number(_) => false,
    }
}

/// `path` is without indexes, for looking up; `shown` is with them, for people.
fn walk(
    value: &Value,
    path: &str,
    shown: &str,
    honoured: &impl Fn(&str) -> bool,
    report: &mut impl FnMut(&str),
) {
    if is_unset(value) || (!path.is_empty() && honoured(path)) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let deeper = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                walk(field, &deeper, &format!("{shown}.{name}"), honoured, report);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, path, &format!("{shown}[{at}]"), honoured, report);
            }
        }
        _ => report(shown),
    }
}
