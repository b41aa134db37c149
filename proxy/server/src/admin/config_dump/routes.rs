//! `RoutesConfigDump`: tables that came by themselves, and those that stand in listeners.

use serde_json::{Map, Value, json};
use xds::TypeUrl;

use super::{List, Section, Source};

pub(super) fn section(source: &Source, listeners: &Section) -> Section {
    let kind = TypeUrl::Route;
    let mut fixed = Vec::new();
    for item in listeners.lists.iter().flat_map(|list| &list.items) {
        // Of a listener that waits no table is used yet.
        let holder = match item.get("active_state") {
            Some(state) => state,
            None => item,
        };
        inside(&holder["listener"], &mut |table| {
            let name = table["name"].as_str().unwrap_or_default();
            if source.wants(name) {
                let mut typed = Map::new();
                typed.insert("@type".to_owned(), kind.as_str().into());
                typed.extend(table.as_object().cloned().unwrap_or_default());
                fixed.push(json!({
                    "route_config": typed, "last_updated": holder["last_updated"],
                }));
            }
        });
    }
    let dynamic = source.items(kind, "route_config");
    Section {
        kind: "RoutesConfigDump",
        single: Vec::new(),
        lists: vec![
            List {
                name: "static_route_configs",
                kind: "RoutesConfigDump.StaticRouteConfig",
                items: fixed,
            },
            List {
                name: "dynamic_route_configs",
                kind: "RoutesConfigDump.DynamicRouteConfig",
                items: dynamic.into_iter().map(|(_, item)| item).collect(),
            },
        ],
    }
}

/// Shows every `route_config` of a listener.
fn inside(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "route_config" => see(value),
                    _ => inside(value, see),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| inside(item, see)),
        _ => {}
    }
}
