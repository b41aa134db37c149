//! A service by itself.

use local::object::{integer, list, name, namespace, text};
use serde_json::Value;

use super::page::Page;

/// The host name of a service.
pub(super) fn host(service: &Value) -> String {
    format!("{}.{}.svc.cluster.local", name(service), namespace(service))
}

/// The numbers of its ports.
pub(super) fn ports(service: &Value) -> Vec<i64> {
    let ports = list(service, "/spec/ports").iter();
    ports.filter_map(|port| integer(port, "/port")).collect()
}

/// The service's ports and where they lead in a pod. `registry` is what the pilot takes its services for.
pub(super) fn describe(page: &mut Page, service: &Value, pod: &Value, registry: &[Value]) {
    let shown = page.name(service);
    page.line(0, format!("Service: {shown}"));
    for port in list(service, "/spec/ports") {
        if !is_tcp(port) {
            continue;
        }
        let number = integer(port, "/port").unwrap_or(0);
        match target(port, pod) {
            Some(target) => {
                let name = text(port, "/name");
                let protocol = protocol(service, port, registry);
                page.line(
                    3,
                    format!("Port: {name} {number}/{protocol} targets pod port {target}"),
                );
            }
            None => {
                let wanted = text(port, "/targetPort");
                page.line(
                    3,
                    format!("no suitable port for {number}: no container of the pod names a port {wanted:?}"),
                );
            }
        }
    }
}

fn is_tcp(port: &Value) -> bool {
    matches!(text(port, "/protocol"), "" | "TCP")
}

/// The pod's port that a service's port leads to.
pub(super) fn target(port: &Value, pod: &Value) -> Option<i64> {
    let own = || integer(port, "/port");
    match port.get("targetPort") {
        None => own(),
        Some(Value::String(wanted)) if !wanted.is_empty() => {
            let containers = list(pod, "/spec/containers").iter();
            let mut ports = containers.flat_map(|container| list(container, "/ports"));
            ports
                .find(|port| text(port, "/name") == wanted && is_tcp(port))
                .and_then(|port| integer(port, "/containerPort"))
        }
        Some(number) => number.as_i64().filter(|number| *number != 0).or_else(own),
    }
}

/// What the pilot takes a port for.
fn protocol(service: &Value, port: &Value, registry: &[Value]) -> String {
    if text(port, "/name").is_empty() && text(port, "/appProtocol").is_empty() {
        return "auto-detect".to_owned();
    }
    let host = host(service);
    let known = registry.iter().find(|one| text(one, "/hostname") == host);
    let number = integer(port, "/port");
    let port = known.and_then(|one| {
        let mut ports = list(one, "/ports").iter();
        ports.find(|port| integer(port, "/port") == number)
    });
    match port.map_or("", |port| text(port, "/protocol")) {
        "" => "unknown to the control plane".to_owned(),
        protocol => protocol.to_owned(),
    }
}
