//! `/debug/config_dump?proxyID=POD.NAMESPACE`: what the pilot has for a data plane now, in the form of the data plane's own
//! `/config_dump`, so that the two can be compared.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protojson::Schema;
use serde::Deserialize;
use serde_json::{Value, json};
use translate::Subscription;
use xds::session::TypeReport;
use xds::{Resource, TypeUrl};

use super::Pages;
use crate::connections::Connection;
use crate::service::Discovery;

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::load);

#[derive(Deserialize)]
pub(super) struct Of {
    #[serde(rename = "proxyID")]
    proxy: Option<String>,
    /// Any value shows endpoints, too.
    include_eds: Option<String>,
}

pub(super) async fn page(State(pages): State<Pages>, Query(of): Query<Of>) -> Response {
    let Some(wanted) = of.proxy.filter(|id| !id.is_empty()) else {
        let words = "You must provide a proxyID in the query string\n";
        return (StatusCode::BAD_REQUEST, words).into_response();
    };
    let all = pages.discovery.connections.all();
    // A data plane that reconnects is there twice for a moment; the younger one counts.
    let meant = |one: &&Arc<Connection>| {
        one.pod() == wanted || *one.proxy.id == *wanted || one.id == wanted
    };
    let Some(connection) = all.iter().rev().find(meant) else {
        let words = "Proxy not connected to this Pilot instance. It may be connected to another instance.\n";
        return (StatusCode::NOT_FOUND, words).into_response();
    };
    let with_endpoints = of.include_eds.is_some();
    Json(dump(&pages.discovery, connection, with_endpoints)).into_response()
}

fn dump(discovery: &Discovery, connection: &Connection, with_endpoints: bool) -> Value {
    let reports = connection.report.types();
    let of = |kind: TypeUrl| {
        let report = reports.iter().find(|r| r.type_url == kind.as_str());
        let mut resources = match report {
            Some(report) => resources(discovery, connection, kind, report),
            None => Vec::new(),
        };
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        resources
    };
    let listed = |kind: TypeUrl, field: &str| -> Vec<Value> {
        let items = of(kind).into_iter();
        items
            .map(|r| json!({"version_info": r.version, field: shown(&r)}))
            .collect()
    };
    let listeners: Vec<Value> = of(TypeUrl::Listener)
        .into_iter()
        .map(|r| {
            let state = json!({"version_info": r.version, "listener": shown(&r)});
            json!({"name": *r.name, "active_state": state})
        })
        .collect();
    let secrets: Vec<Value> = of(TypeUrl::Secret)
        .into_iter()
        .map(|r| json!({"name": *r.name, "version_info": r.version, "secret": shown(&r)}))
        .collect();
    let mut configs = vec![
        section("Bootstrap", json!({})),
        section(
            "Clusters",
            json!({"dynamic_active_clusters": listed(TypeUrl::Cluster, "cluster")}),
        ),
    ];
    if with_endpoints {
        let endpoints = listed(TypeUrl::Endpoints, "endpoint_config");
        configs.push(section(
            "Endpoints",
            json!({"dynamic_endpoint_configs": endpoints}),
        ));
    }
    configs.extend([
        section("Listeners", json!({"dynamic_listeners": listeners})),
        section("ScopedRoutes", json!({})),
        section(
            "Routes",
            json!({"dynamic_route_configs": listed(TypeUrl::Route, "route_config")}),
        ),
        section("Secrets", json!({"dynamic_active_secrets": secrets})),
    ]);
    json!({"configs": configs})
}

/// What the data plane would be sent if it asked anew: everything where it asked for everything, else what it was told of.
fn resources(
    discovery: &Discovery,
    connection: &Connection,
    kind: TypeUrl,
    report: &TypeReport,
) -> Vec<Arc<Resource>> {
    let snapshot = &discovery.world.now().snapshot;
    let names: Vec<Arc<str>> = report.resources.iter().map(|r| r.name.clone()).collect();
    let subscription = match report.wildcard {
        true => Subscription::Wildcard,
        false => Subscription::Names(&names),
    };
    discovery
        .translator
        .resources(snapshot, &connection.proxy, kind, subscription)
}

/// Secrets are redacted, as Envoy does.
fn shown(resource: &Resource) -> Value {
    SCHEMA.any(resource.type_url.as_str(), &resource.body)
}

fn section(kind: &str, mut fields: Value) -> Value {
    let name = format!("type.googleapis.com/envoy.admin.v3.{kind}ConfigDump");
    let mut section = json!({"@type": name});
    if let (Some(to), Some(from)) = (section.as_object_mut(), fields.as_object_mut()) {
        to.append(from);
    }
    section
}
