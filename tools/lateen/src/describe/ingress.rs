//! How a service is reached from outside: the gateways whose VirtualServices lead to it.

use std::collections::{BTreeMap, BTreeSet};

use local::object::selector::Selector;
use local::object::{integer, labels, list, namespace, strings, text};
use proxyconfig::dump::ConfigDump;
use serde_json::Value;

use super::page::Page;
use super::services::Shaped;
use super::{name_of, service};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::pod::request;
use crate::proxy_config::of_dump;

/// What the pods of an ingress gateway have.
const GATEWAYS: &str = "istio=ingressgateway";

pub(super) async fn describe(
    page: &mut Page,
    cluster: &dyn Cluster,
    services: &[Value],
    pods: &[BTreeMap<String, String>],
) -> Result<(), Failure> {
    let gateways = cluster.list("pods", None, Some(GATEWAYS)).await?;
    let gateways: Vec<&Value> = gateways
        .iter()
        .filter(|pod| text(pod, "/status/phase") == "Running")
        .collect();
    if gateways.is_empty() {
        page.line(0, "Skipping Gateway information (no ingress gateway pods)");
        return Ok(());
    }
    let ingresses = ingresses(cluster, &gateways).await?;
    if ingresses.is_empty() {
        page.line(
            0,
            "Skipping Gateway information (no ingress gateway service)",
        );
    }
    let mut told = BTreeSet::new();
    for pod in &gateways {
        let dump = request(cluster, &name_of(pod), "GET", "config_dump").await?;
        let dump = ConfigDump::parse(&dump).map_err(of_dump)?;
        for service in services {
            for port in service::ports(service) {
                let shaped = Shaped::find(page, cluster, &dump, service, port, pods).await?;
                let Some(routes) = &shaped.routes else {
                    continue;
                };
                for gateway in of_routes(routes) {
                    if !told.insert(gateway.clone()) {
                        continue;
                    }
                    let exposed = exposed(page, cluster, &gateway, &ingresses).await?;
                    if !exposed.is_empty() {
                        page.rule();
                        exposed.iter().for_each(|line| page.line(0, line));
                        shaped.describe_routes(page, 0, service);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Namespace and name of the gateways that a VirtualService names, the mesh itself apart.
fn of_routes(routes: &Value) -> Vec<(String, String)> {
    let names = list(routes, "/spec/gateways").iter();
    names
        .filter_map(Value::as_str)
        .filter(|name| !name.is_empty() && *name != "mesh")
        .map(|name| {
            let (within, name) = name.split_once('/').unwrap_or((namespace(routes), name));
            (within.to_owned(), name.to_owned())
        })
        .collect()
}

/// A service with the gateway's pods behind it.
struct Ingress {
    service: Value,
    pods: Vec<Value>,
}

async fn ingresses(cluster: &dyn Cluster, pods: &[&Value]) -> Result<Vec<Ingress>, Failure> {
    let namespaces: BTreeSet<&str> = pods.iter().map(|pod| namespace(pod)).collect();
    let mut found = Vec::new();
    for within in namespaces {
        for service in cluster.list("services", Some(within), None).await? {
            let selector = strings(&service, "/spec/selector");
            if selector.is_empty() {
                continue;
            }
            let selector = Selector::exact(&selector);
            let pods: Vec<Value> = pods
                .iter()
                .filter(|pod| namespace(pod) == within && selector.matches(&labels(pod)))
                .map(|pod| (*pod).clone())
                .collect();
            if !pods.is_empty() {
                found.push(Ingress { service, pods });
            }
        }
    }
    Ok(found)
}

/// Where a gateway is reached; empty where nothing carries it out.
async fn exposed(
    page: &mut Page,
    cluster: &dyn Cluster,
    (within, name): &(String, String),
    ingresses: &[Ingress],
) -> Result<Vec<String>, Failure> {
    let Some(gateway) = cluster.find("gateways", within, name).await? else {
        page.line(
            0,
            format!(
                "WARNING: Proxy is stale; it references to non-existent gateway {within}/{name}"
            ),
        );
        return Ok(Vec::new());
    };
    let selector = Selector::exact(&strings(&gateway, "/spec/selector"));
    let mut lines: Vec<String> = ingresses
        .iter()
        .filter(|ingress| {
            ingress
                .pods
                .iter()
                .any(|pod| selector.matches(&labels(pod)))
        })
        .flat_map(addresses)
        .collect();
    lines.sort_unstable();
    Ok(lines)
}

/// Addresses of the ports for plain HTTP.
fn addresses(ingress: &Ingress) -> Vec<String> {
    let ip = address(ingress);
    let Some(pod) = ingress.pods.first() else {
        return Vec::new();
    };
    list(&ingress.service, "/spec/ports")
        .iter()
        .filter(|port| matches!(text(port, "/name"), "http" | "http2"))
        .filter(|port| service::target(port, pod).is_some())
        .map(|port| {
            let port = match integer(port, "/port") {
                None | Some(80) => String::new(),
                Some(other) => format!(":{other}"),
            };
            format!("Exposed on Ingress Gateway http://{ip}{port}")
        })
        .collect()
}

/// Some load balancers have a name alone.
fn address(ingress: &Ingress) -> &str {
    let balanced = |field| {
        let path = format!("/status/loadBalancer/ingress/0/{field}");
        text(&ingress.service, &path)
    };
    let host = ingress
        .pods
        .first()
        .map_or("", |pod| text(pod, "/status/hostIP"));
    [balanced("ip"), balanced("hostname"), host]
        .into_iter()
        .find(|ip| !ip.is_empty())
        .unwrap_or("unknown")
}
