//! `/clusters` (`envoy.admin.v3.Clusters`): clusters with their hosts, and what workers count of these.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use control::Held;
use dataplane::{ClusterReport, HostReport};
use envoy_types::pb::envoy::config::cluster::v3::Cluster as Resource;
use graph::Graph;
use graph::cluster::{Cluster, ClusterId, Limits};
use graph::endpoint::{Health, Host, Locality};
use prost::Message;
use regex::Regex;
use serde_json::{Map, Value, json};
use xds::TypeUrl;

use super::listeners::socket;
use super::parameters::Parameters;
use super::{Admin, answer};

/// A cluster and what is known of it.
struct Shown<'a> {
    cluster: &'a Cluster,
    /// It came from the control plane.
    by_api: bool,
    /// The resource; none of a cluster of the bootstrap.
    resource: Option<Resource>,
    hosts: Vec<(Row<'a>, HostReport)>,
}

/// A host and its place.
struct Row<'a> {
    address: SocketAddr,
    /// None of a host that a client chose by its connection's destination.
    host: Option<&'a Host>,
    priority: usize,
}

pub(crate) async fn page(admin: &Arc<Admin>, parameters: &Parameters) -> Response {
    let filter = match parameters.get("filter").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match Regex::new(text) {
            Ok(filter) => Some(filter),
            Err(error) => {
                let words = format!("Invalid regex: {error}\n");
                return answer::refused(StatusCode::BAD_REQUEST, words);
            }
        },
    };
    let as_json = match parameters.get("format") {
        None | Some("text") => false,
        Some("json") => true,
        Some(_) => {
            let usage = "usage: /clusters?format=(text|json)\n";
            return answer::refused(StatusCode::BAD_REQUEST, usage);
        }
    };
    let asked = admin.clone();
    let reports = tokio::task::spawn_blocking(move || asked.plane.report()).await;
    let reports = merged(reports.unwrap_or_default());
    let graph = admin.control.graph.borrow().clone();
    let dynamic = admin
        .control
        .look(|view| view.of(TypeUrl::Cluster).resources);
    let clusters = shown(&graph, &reports, &dynamic);
    let wanted = clusters.iter().filter(|shown| {
        filter
            .as_ref()
            .is_none_or(|f| f.is_match(&shown.cluster.name))
    });
    match as_json {
        true => answer::json(&json!({"cluster_statuses": wanted.map(status).collect::<Vec<_>>()})),
        false => answer::text(wanted.fold(String::new(), |mut text, shown| {
            lines(shown, &mut text);
            text
        })),
    }
}

type Reports = HashMap<ClusterId, HashMap<SocketAddr, HostReport>>;

/// All workers' reports as one.
fn merged(reports: Vec<ClusterReport>) -> Reports {
    let mut all = Reports::new();
    for report in reports {
        let hosts = all.entry(report.cluster).or_default();
        for (address, host) in report.hosts {
            hosts.entry(address).or_default().add(&host);
        }
    }
    all
}

fn shown<'a>(
    graph: &'a Graph,
    reports: &Reports,
    dynamic: &BTreeMap<Arc<str>, Held>,
) -> Vec<Shown<'a>> {
    let clusters = graph.clusters.iter().flatten();
    let shown = clusters.map(|cluster| {
        let mut counted = reports.get(&cluster.id).cloned().unwrap_or_default();
        let mut hosts = Vec::new();
        let priorities = cluster.endpoints.iter().flat_map(|e| &e.priorities);
        for (priority, of) in priorities.enumerate() {
            for host in of {
                let row = Row {
                    address: host.address,
                    host: Some(host),
                    priority,
                };
                hosts.push((row, counted.remove(&host.address).unwrap_or_default()));
            }
        }
        // What is left was chosen by clients' connections, or is on its way out.
        let mut rest: Vec<_> = counted.into_iter().collect();
        rest.sort_by_key(|(address, _)| *address);
        hosts.extend(rest.into_iter().map(|(address, report)| {
            let row = Row {
                address,
                host: None,
                priority: 0,
            };
            (row, report)
        }));
        Shown {
            cluster,
            by_api: dynamic.contains_key(&cluster.name),
            resource: dynamic
                .get(&cluster.name)
                .and_then(|held| Resource::decode(held.used()?.body).ok()),
            hosts,
        }
    });
    shown.collect()
}

impl Shown<'_> {
    /// What its endpoints are asked for by, if not by its own name.
    fn service(&self) -> Option<&str> {
        let config = self.resource.as_ref()?.eds_cluster_config.as_ref()?;
        Some(&*config.service_name).filter(|name| !name.is_empty())
    }

    /// Whether failing hosts are left alone.
    fn is_watched(&self) -> bool {
        let resource = self.resource.as_ref();
        resource.is_some_and(|resource| resource.outlier_detection.is_some())
    }
}

/// Envoy's defaults: what the high priority has, which is not told apart here.
const DEFAULT_LIMITS: [u32; 4] = [1024, 1024, 1024, 3];

fn limits(of: &Limits) -> [u32; 4] {
    [of.connections, of.pending, of.requests, of.retries]
}

const LIMIT_NAMES: [&str; 4] = [
    "max_connections",
    "max_pending_requests",
    "max_requests",
    "max_retries",
];

fn lines(shown: &Shown<'_>, text: &mut String) {
    let cluster = shown.cluster;
    let name = &cluster.name;
    // Writing to a string cannot fail.
    let mut line = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name}::{what}::{value}");
    };
    line("observability_name", name);
    if shown.is_watched() {
        for what in [
            "success_rate_average",
            "success_rate_ejection_threshold",
            "local_origin_success_rate_average",
            "local_origin_success_rate_ejection_threshold",
        ] {
            line(&format!("outlier::{what}"), &-1);
        }
    }
    for (priority, limits) in [
        ("default_priority", limits(&cluster.settings.limits)),
        ("high_priority", DEFAULT_LIMITS),
    ] {
        for (what, limit) in LIMIT_NAMES.iter().zip(limits) {
            line(&format!("{priority}::{what}"), &limit);
        }
    }
    line("added_via_api", &shown.by_api);
    if let Some(service) = shown.service() {
        line("eds_service_name", &service);
    }
    for (row, report) in &shown.hosts {
        let nowhere = Locality::default();
        let place = row.host.map_or(&nowhere, |host| &host.locality);
        let mut line = |what: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{name}::{}::{what}::{value}", row.address);
        };
        for (what, value, _) in counts(report) {
            line(what, &value);
        }
        line("hostname", &hostname(row));
        line("health_flags", &flags(row, report));
        line("weight", &row.host.map_or(1, |host| host.weight));
        line("region", &place.region);
        line("zone", &place.zone);
        line("sub_zone", &place.sub_zone);
        line("canary", &false);
        line("priority", &row.priority);
        line("success_rate", &-1);
        line("local_origin_success_rate", &-1);
    }
}

fn hostname<'a>(row: &Row<'a>) -> &'a str {
    row.host
        .and_then(|host| host.hostname.as_deref())
        .unwrap_or_default()
}

/// Name, number and whether it shrinks, too.
fn counts(report: &HostReport) -> [(&'static str, u64, bool); 9] {
    [
        ("cx_active", report.connections_active, true),
        ("cx_connect_fail", report.connect_failures, false),
        ("cx_total", report.connections, false),
        ("rq_active", report.requests_active, true),
        ("rq_error", report.requests_failed, false),
        ("rq_pending_active", report.requests_waiting, true),
        ("rq_success", report.requests_succeeded, false),
        ("rq_timeout", report.requests_timed_out, false),
        ("rq_total", report.requests, false),
    ]
}

/// As Envoy prints why a host is not used; `healthy` where nothing speaks against it.
fn flags(row: &Row<'_>, report: &HostReport) -> String {
    let mut flags = String::new();
    if report.is_ejected() {
        flags.push_str("/failed_outlier_check");
    }
    flags.push_str(match row.host.map(|host| host.health) {
        Some(Health::Unhealthy) => "/failed_eds_health",
        Some(Health::Degraded) => "/degraded_eds_health",
        Some(Health::Draining) => "/eds_status_draining",
        Some(Health::Healthy) | None => "",
    });
    match flags.is_empty() {
        true => "healthy".to_owned(),
        false => flags,
    }
}

fn status(shown: &Shown<'_>) -> Value {
    let cluster = shown.cluster;
    let mut status = Map::new();
    status.insert("name".to_owned(), (*cluster.name).into());
    if shown.by_api {
        status.insert("added_via_api".to_owned(), true.into());
    }
    let hosts: Vec<Value> = shown.hosts.iter().map(host_status).collect();
    if !hosts.is_empty() {
        status.insert("host_statuses".to_owned(), hosts.into());
    }
    let threshold = |limits: [u32; 4]| -> Map<String, Value> {
        let pairs = LIMIT_NAMES.iter().zip(limits);
        pairs
            .map(|(name, limit)| ((*name).to_owned(), limit.into()))
            .collect()
    };
    let mut high = threshold(DEFAULT_LIMITS);
    high.insert("priority".to_owned(), "HIGH".into());
    let thresholds = [threshold(limits(&cluster.settings.limits)), high];
    status.insert(
        "circuit_breakers".to_owned(),
        json!({"thresholds": thresholds}),
    );
    status.insert("observability_name".to_owned(), (*cluster.name).into());
    if let Some(service) = shown.service() {
        status.insert("eds_service_name".to_owned(), service.into());
    }
    status.into()
}

fn host_status((row, report): &(Row<'_>, HostReport)) -> Value {
    let stats = counts(report).map(|(name, value, shrinks)| {
        let mut stat = Map::new();
        if shrinks {
            stat.insert("type".to_owned(), "GAUGE".into());
        }
        stat.insert("name".to_owned(), name.into());
        if value != 0 {
            stat.insert("value".to_owned(), value.to_string().into());
        }
        stat
    });
    let mut healthy = Map::new();
    if report.is_ejected() {
        healthy.insert("failed_outlier_check".to_owned(), true.into());
    }
    let said = row.host.map_or(Health::Healthy, |host| host.health);
    healthy.insert("eds_health_status".to_owned(), health(said).into());
    let mut status = Map::new();
    status.insert("address".to_owned(), socket(row.address));
    status.insert("stats".to_owned(), stats.into_iter().collect());
    status.insert("health_status".to_owned(), healthy.into());
    status.insert(
        "weight".to_owned(),
        row.host.map_or(1, |host| host.weight).into(),
    );
    if !hostname(row).is_empty() {
        status.insert("hostname".to_owned(), hostname(row).into());
    }
    if row.priority != 0 {
        status.insert("priority".to_owned(), row.priority.into());
    }
    let nowhere = Locality::default();
    let place = row.host.map_or(&nowhere, |host| &host.locality);
    status.insert("locality".to_owned(), locality(place));
    status.into()
}

/// A place without what is not known of it.
pub(crate) fn locality(of: &Locality) -> Value {
    let parts = [
        ("region", &of.region),
        ("zone", &of.zone),
        ("sub_zone", &of.sub_zone),
    ];
    let known = parts.into_iter().filter(|(_, part)| !part.is_empty());
    known
        .map(|(name, part)| (name.to_owned(), Value::from(part.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

/// Its name in `core.v3.HealthStatus`.
pub(crate) fn health(of: Health) -> &'static str {
    match of {
        Health::Healthy => "HEALTHY",
        Health::Degraded => "DEGRADED",
        Health::Unhealthy => "UNHEALTHY",
        Health::Draining => "DRAINING",
    }
}
