//! Services of a pod, with the rules and routes that the pod's proxy has for them.

use std::collections::BTreeMap;

use local::object::{integer, list};
use proxyconfig::dump::ConfigDump;
use serde_json::Value;

use super::destination_rule::{self, Subsets};
use super::page::Page;
use super::virtual_service::{self, To};
use super::{made_by, name_of, pod, service};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::pilot::Pilot;
use crate::pod::request;
use crate::proxy_config::of_dump;

/// Describes services as a pod's proxy knows them; of a pod without one, their ports. `pods` are the labels by which
/// subsets are chosen.
pub(super) async fn describe(
    page: &mut Page,
    cluster: &dyn Cluster,
    istio_namespace: &str,
    pod: &Value,
    services: &[Value],
    pods: &[BTreeMap<String, String>],
) -> Result<(), Failure> {
    let dump = match pod::is_meshed(pod) {
        false => None,
        true => {
            let dump = request(cluster, &name_of(pod), "GET", "config_dump").await?;
            Some(ConfigDump::parse(&dump).map_err(of_dump)?)
        }
    };
    let registry = registry(cluster, istio_namespace).await?;
    for (row, service) in services.iter().enumerate() {
        if row > 0 {
            page.rule();
        }
        service::describe(page, service, pod, &registry);
        let Some(dump) = &dump else { continue };
        let ports = list(service, "/spec/ports");
        let indent = if ports.len() > 1 { 3 } else { 0 };
        for port in ports {
            let number = integer(port, "/port").unwrap_or(0);
            if ports.len() > 1 {
                page.line(0, format!("{number}:"));
            }
            Shaped::find(page, cluster, dump, service, number, pods)
                .await?
                .describe(page, indent, service);
            let target = service::target(port, pod).unwrap_or(number);
            let policies = made_by::policies(dump, target);
            if !policies.is_empty() {
                let which = match ports.len() {
                    0 | 1 => String::new(),
                    _ => format!("{number} "),
                };
                page.line(0, format!("{which}RBAC policies: {}", policies.join(", ")));
            }
        }
    }
    Ok(())
}

/// What the first pilot takes services for.
async fn registry(cluster: &dyn Cluster, istio_namespace: &str) -> Result<Vec<Value>, Failure> {
    let pilots = Pilot::all(cluster, istio_namespace).await?;
    let Some(pilot) = pilots.first() else {
        return Ok(Vec::new());
    };
    match pilot.json(cluster, "/debug/registryz").await? {
        Value::Array(services) => Ok(services),
        _ => Ok(Vec::new()),
    }
}

/// The objects that shape a service's port, as a proxy has it.
pub(super) struct Shaped {
    rule: Option<Value>,
    pub(super) subsets: Subsets,
    pub(super) routes: Option<Value>,
}

impl Shaped {
    /// By what the proxy says; an object that is not there any more is told.
    pub(super) async fn find(
        page: &mut Page,
        cluster: &dyn Cluster,
        dump: &ConfigDump,
        service: &Value,
        port: i64,
        pods: &[BTreeMap<String, String>],
    ) -> Result<Self, Failure> {
        let mut found = [None, None];
        let origins = [
            (
                made_by::destination_rule(dump, service, port),
                "destinationrules",
                "destination rule",
            ),
            (
                made_by::virtual_service(dump, service, port),
                "virtualservices",
                "virtual service",
            ),
        ];
        for (slot, (origin, kind, shown)) in found.iter_mut().zip(origins) {
            let Some(origin) = origin else { continue };
            *slot = cluster.find(kind, &origin.namespace, &origin.name).await?;
            if slot.is_none() {
                page.line(0, made_by::stale(shown, &origin));
            }
        }
        let [rule, routes] = found;
        let subsets = rule.as_ref().map(|rule| Subsets::of(rule, pods));
        Ok(Self {
            subsets: subsets.unwrap_or_default(),
            rule,
            routes,
        })
    }

    fn describe(&self, page: &mut Page, indent: usize, service: &Value) {
        if let Some(rule) = &self.rule {
            destination_rule::describe(page, indent, rule, &self.subsets);
        }
        self.describe_routes(page, indent, service);
    }

    pub(super) fn describe_routes(&self, page: &mut Page, indent: usize, service: &Value) {
        if let Some(routes) = &self.routes {
            let to = To {
                service,
                subsets: &self.subsets,
                rule: self.rule.as_ref().map(|rule| page.name(rule)),
            };
            virtual_service::describe(page, indent, routes, &to);
        }
    }
}
