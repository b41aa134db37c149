//! Service addresses: what each port of each Service leads to, from the EndpointSlices.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::controller::endpoints::SERVICE_LABEL;
use crate::kubelet::runtime::{Forward, Runtime};
use crate::object::{integer, labels, list, text};
use crate::pace;
use crate::store::{Store, View};

/// All forwards, ordered.
pub fn of(view: &View) -> Vec<Forward> {
    view.of_kind("", "Service")
        .filter_map(|(key, service)| {
            let address: Ipv4Addr = text(service, "/spec/clusterIP").parse().ok()?;
            Some((key, service, address))
        })
        .flat_map(|(key, service, address)| {
            list(service, "/spec/ports")
                .iter()
                .filter_map(move |port| forward(view, &key.namespace, &key.name, address, port))
        })
        .collect()
}

fn forward(
    view: &View,
    namespace: &str,
    service: &str,
    address: Ipv4Addr,
    port: &Value,
) -> Option<Forward> {
    let number = u16::try_from(integer(port, "/port")?).ok()?;
    let protocol = text(port, "/protocol");
    let mut backends: Vec<SocketAddr> = view
        .of_kind("discovery.k8s.io", "EndpointSlice")
        .filter(|(key, slice)| {
            key.namespace == namespace
                && labels(slice).get(SERVICE_LABEL).map(String::as_str) == Some(service)
        })
        .flat_map(|(_, slice)| backends(slice, text(port, "/name")))
        .collect();
    backends.sort_unstable();
    Some(Forward {
        address,
        udp: protocol == "UDP",
        port: number,
        backends,
    })
}

fn backends(slice: &Value, port_name: &str) -> Vec<SocketAddr> {
    let Some(port) = list(slice, "/ports")
        .iter()
        .find(|port| text(port, "/name") == port_name)
        .and_then(|port| u16::try_from(integer(port, "/port")?).ok())
    else {
        return vec![];
    };
    list(slice, "/endpoints")
        .iter()
        .filter(|endpoint| {
            endpoint
                .pointer("/conditions/ready")
                .and_then(Value::as_bool)
                != Some(false)
        })
        .flat_map(|endpoint| list(endpoint, "/addresses"))
        .filter_map(|address| address.as_str()?.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, port))
        .collect()
}

/// Keeps the machine's service addresses in step with the store, for as long as it lives.
pub async fn run(store: Arc<Store>, runtime: Arc<dyn Runtime>) {
    let mut objects = store.subscribe();
    let mut in_force = None;
    loop {
        let began = Instant::now();
        let wanted = of(&store.view());
        let mut failed = false;
        if in_force.as_ref() != Some(&wanted) {
            match runtime.forward(wanted.clone()).await {
                Ok(()) => in_force = Some(wanted),
                Err(error) => {
                    tracing::error!(%error, "service addresses keep leading where they led");
                    failed = true;
                }
            }
        }
        pace::rest(began).await;
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(Duration::from_secs(1)), if failed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_leads_to_its_ready_endpoints_and_a_headless_one_to_nothing() {
        let view: View = [
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
                "spec": {"clusterIP": "10.96.1.2", "ports": [{"name": "app", "port": 80}]}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "default"},
                "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}),
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": "web-x", "namespace": "default", "labels": {SERVICE_LABEL: "web"}},
                "ports": [{"name": "app", "port": 8081}],
                "endpoints": [
                    {"addresses": ["10.244.0.9"], "conditions": {"ready": true}},
                    {"addresses": ["10.244.0.5"], "conditions": {"ready": true}},
                    {"addresses": ["10.244.0.6"], "conditions": {"ready": false}}]}),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            of(&view),
            [Forward {
                address: Ipv4Addr::new(10, 96, 1, 2),
                udp: false,
                port: 80,
                backends: vec![
                    "10.244.0.5:8081".parse().unwrap(),
                    "10.244.0.9:8081".parse().unwrap()
                ],
            }]
        );
    }
}
