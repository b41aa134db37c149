//! `EndpointsConfigDump`: endpoints that came by themselves as they came, those of other clusters as they are used.

use graph::cluster::{Cluster, Discovery};
use graph::endpoint::{Endpoints, Host};
use serde_json::{Value, json};
use xds::TypeUrl;

use super::{List, Section, Source};
use crate::admin::clusters::{health, locality};
use crate::admin::listeners::socket;

pub(super) fn section(source: &Source) -> Section {
    let kind = TypeUrl::Endpoints;
    let mut fixed = Vec::new();
    let mut dynamic = Vec::new();
    for (_, mut item) in source.items(kind, "endpoint_config") {
        if let Some(assignment) = item.get_mut("endpoint_config") {
            complete(assignment);
        }
        dynamic.push(item);
    }
    let known = source.view.of(TypeUrl::Cluster).resources;
    for cluster in source.graph.clusters.iter().flatten() {
        if cluster.settings.discovery != Discovery::Eds && source.wants(&cluster.name) {
            let item = json!({"endpoint_config": used(cluster)});
            match known.contains_key(&cluster.name) {
                true => dynamic.push(item),
                false => fixed.push(item),
            }
        }
    }
    Section {
        kind: "EndpointsConfigDump",
        single: Vec::new(),
        lists: vec![
            List {
                name: "static_endpoint_configs",
                kind: "EndpointsConfigDump.StaticEndpointConfig",
                items: fixed,
            },
            List {
                name: "dynamic_endpoint_configs",
                kind: "EndpointsConfigDump.DynamicEndpointConfig",
                items: dynamic,
            },
        ],
    }
}

/// Says what is meant where nothing is said, as Envoy does.
fn complete(assignment: &mut Value) {
    let localities = assignment
        .get_mut("endpoints")
        .and_then(Value::as_array_mut);
    let endpoints = localities
        .into_iter()
        .flatten()
        .filter_map(|locality| locality.get_mut("lb_endpoints")?.as_array_mut())
        .flatten();
    for endpoint in endpoints.filter_map(Value::as_object_mut) {
        let health = endpoint.entry("health_status");
        health.or_insert_with(|| "HEALTHY".into());
        let weight = endpoint.entry("load_balancing_weight");
        weight.or_insert_with(|| 1.into());
    }
}

fn used(cluster: &Cluster) -> Value {
    let none = Endpoints::default();
    let endpoints = cluster.endpoints.as_deref().unwrap_or(&none);
    let mut localities = Vec::new();
    for (priority, hosts) in endpoints.priorities.iter().enumerate() {
        let mut rest: Vec<&Host> = hosts.iter().map(AsRef::as_ref).collect();
        while let Some(first) = rest.first().copied() {
            let (here, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|h| h.locality == first.locality);
            rest = others;
            localities.push(json!({
                "locality": locality(&first.locality),
                "lb_endpoints": here.into_iter().map(endpoint).collect::<Vec<_>>(),
                "priority": priority,
            }));
        }
    }
    json!({
        "@type": TypeUrl::Endpoints.as_str(),
        "cluster_name": *cluster.name,
        "endpoints": localities,
        "policy": {"overprovisioning_factor": endpoints.overprovisioning_percent},
    })
}

fn endpoint(host: &Host) -> Value {
    json!({
        "endpoint": {
            "address": socket(host.address),
            "hostname": host.hostname.as_deref().unwrap_or_default(),
        },
        "health_status": health(host.health),
        "load_balancing_weight": host.weight,
    })
}
