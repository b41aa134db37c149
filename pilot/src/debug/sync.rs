//! `/debug/syncz`: what each data plane was sent, and what it said to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use translate::Role;
use xds::TypeUrl;
use xds::session::TypeReport;

use super::{Pages, rfc3339};
use crate::connections::Connection;

/// One data plane, as Istio's page of the same name shows it, and what became of each resource.
#[derive(Serialize)]
struct Sync {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    /// `POD.NAMESPACE`.
    proxy: String,
    proxy_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    istio_version: Option<String>,
    connection: String,
    protocol: &'static str,
    /// `cluster_sent`, `cluster_acked` and so on: nonces, empty for none.
    #[serde(flatten)]
    nonces: BTreeMap<String, String>,
    /// By type URL, in Istio's fields.
    resources: BTreeMap<&'static str, OfType>,
    types: Vec<TypeReport>,
}

/// What Istio says of a type.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfType {
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// Which data planes are shown.
#[derive(Deserialize)]
pub(super) struct Of {
    /// A part of the node's id.
    #[serde(rename = "proxyID")]
    proxy: Option<String>,
    namespace: Option<String>,
}

impl Of {
    fn takes(&self, connection: &Connection) -> bool {
        let proxy = &connection.proxy;
        self.proxy.as_ref().is_none_or(|id| proxy.id.contains(id))
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *proxy.pod.namespace == **namespace)
    }
}

pub(super) async fn page(
    State(pages): State<Pages>,
    Query(of): Query<Of>,
) -> impl axum::response::IntoResponse {
    let connections = pages.discovery.connections.all();
    let wanted = connections.iter().filter(|connection| of.takes(connection));
    Json(wanted.map(sync).collect::<Vec<_>>())
}

fn sync(connection: &Arc<Connection>) -> Sync {
    let types = connection.report.types();
    let mut nonces = BTreeMap::new();
    let mut resources = BTreeMap::new();
    for report in &types {
        let kind = match report.type_url.rsplit('.').next() {
            Some("Cluster") => "cluster",
            Some("ClusterLoadAssignment") => "endpoint",
            Some("Listener") => "listener",
            Some("RouteConfiguration") => "route",
            _ => "secret",
        };
        for (what, nonce) in [("sent", &report.nonce_sent), ("acked", &report.nonce_acked)] {
            let nonce = nonce.clone().unwrap_or_default();
            nonces.insert(format!("{kind}_{what}"), nonce);
        }
        let sent_time =
            TypeUrl::parse(report.type_url).and_then(|kind| connection.pushes.last(kind));
        let of_type = OfType {
            sent: report.nonce_sent.clone(),
            acked: report.nonce_acked.clone(),
            sent_time: sent_time.map(rfc3339),
            last_error: report.error.clone(),
        };
        resources.insert(report.type_url, of_type);
    }
    Sync {
        cluster_id: connection.cluster.clone(),
        proxy: connection.pod(),
        proxy_type: match connection.proxy.role {
            Role::Sidecar | Role::Grpc => "sidecar",
            Role::Router => "router",
        },
        istio_version: connection.version.clone(),
        connection: connection.id.clone(),
        protocol: connection.report.protocol(),
        nonces,
        resources,
        types,
    }
}
