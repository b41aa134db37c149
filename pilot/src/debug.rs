//! Pages for operators, on the loopback address: whether the pilot is ready, what each data plane
//! holds, what the configuration is and what is wrong with it.

mod config_dump;
mod sync;

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use ca_client::Serving;
use resources::yaml::RawObject;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use translate::{EndpointShards, RegisteredService};

use crate::service::Discovery;

/// What the pages show.
#[derive(Clone)]
struct Pages {
    discovery: Discovery,
    serving: Option<Serving>,
}

/// The pages. `serving` is the certificate that readiness waits for, where there is one.
pub fn router(discovery: Discovery, serving: Option<Serving>) -> Router {
    Router::new()
        .route("/debug/syncz", get(sync::page))
        .route("/debug/config_dump", get(config_dump::page))
        .route("/debug/adsz", get(adsz))
        .route("/debug/registryz", get(registryz))
        .route("/debug/endpointShardz", get(endpoint_shards))
        // Istio's older name.
        .route("/debug/endpointz", get(endpoint_shards))
        .route("/debug/configz", get(configz))
        .route("/debug/problems", get(problems))
        .with_state(Pages {
            discovery: discovery.clone(),
            serving: serving.clone(),
        })
        .merge(readiness(discovery, serving))
}

/// `/ready` and `/version` alone, for the port that a kubelet and Istio's tools reach while the debug pages stay on
/// loopback.
pub fn readiness(discovery: Discovery, serving: Option<Serving>) -> Router {
    Router::new()
        .route("/ready", get(ready))
        .route("/version", get(version))
        .with_state(Pages { discovery, serving })
}

async fn ready(State(pages): State<Pages>) -> impl IntoResponse {
    let certified = pages
        .serving
        .as_ref()
        .is_none_or(|serving| serving.borrow().is_some());
    if !pages.discovery.world.is_loaded() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "configuration is not loaded yet{}\n",
                pages.discovery.waits_for()
            ),
        );
    }
    if !certified {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "no certificate from the ca yet\n".to_owned(),
        );
    }
    (StatusCode::OK, "ready\n".to_owned())
}

/// As istiod says it, `VERSION-REVISION-STATUS`; the last two are not known to a build of cargo or Bazel.
async fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), "-unknown-unknown")
}

async fn adsz(State(pages): State<Pages>) -> Json<Value> {
    let connections = pages.discovery.connections.all();
    let clients: Vec<Value> = connections
        .iter()
        .map(|c| {
            let watches: BTreeMap<_, _> = c
                .report
                .types()
                .into_iter()
                .map(|t| {
                    (
                        t.type_url,
                        json!({"wildcard": t.wildcard, "names": t.subscribed}),
                    )
                })
                .collect();
            json!({
                "connectionId": c.id,
                "connectedAt": rfc3339(c.since),
                "address": c.address.map(|a| a.to_string()),
                "identity": c.identity,
                "protocol": c.report.protocol(),
                "watches": watches,
            })
        })
        .collect();
    Json(json!({"totalClients": clients.len(), "clients": clients}))
}

fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at)
        .format(&Rfc3339)
        .unwrap_or_default()
}

async fn registryz(State(pages): State<Pages>) -> Json<Vec<RegisteredService>> {
    Json(pages.discovery.world.now().snapshot.registry())
}

async fn endpoint_shards(State(pages): State<Pages>) -> Json<EndpointShards> {
    Json(pages.discovery.world.now().snapshot.endpoint_shards())
}

async fn configz(State(pages): State<Pages>) -> Json<Vec<Value>> {
    let world = pages.discovery.world.now();
    Json(world.objects.iter().map(|object| shown(object)).collect())
}

/// The object, without what a secret holds.
fn shown(object: &RawObject) -> Value {
    let mut value = object.value.clone();
    if object.kind == "Secret"
        && let Some(fields) = value.as_object_mut()
    {
        for field in ["data", "stringData"] {
            if let Some(Value::Object(data)) = fields.get_mut(field) {
                for content in data.values_mut() {
                    *content = Value::String("[redacted]".to_owned());
                }
            }
        }
        // kubectl keeps a copy of the whole object here.
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata.remove("annotations");
        }
    }
    value
}

async fn problems(State(pages): State<Pages>) -> Json<Value> {
    let world = pages.discovery.world.now();
    Json(json!({"problems": *world.problems}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn what_a_secret_holds_is_not_shown() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {k: hunter2}}\n\
                    data: {password: aHVudGVyMg==}\nstringData: {other: hunter2}\n";
        let loaded = resources::yaml::load(text, "x");
        let shown = shown(&loaded.objects[0]).to_string();
        assert!(
            !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"),
            "{shown}"
        );
        assert!(shown.contains("password"));
    }
}
