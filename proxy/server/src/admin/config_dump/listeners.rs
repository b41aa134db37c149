//! `ListenersConfigDump`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use xds::TypeUrl;

use super::{List, Section, Source, bootstrap};
use crate::admin::stamp;

pub(super) fn section(source: &Source) -> Section {
    let kind = TypeUrl::Listener;
    let started = stamp::to_millisecond(source.started);
    let fixed = bootstrap::resources(source, "listeners", kind.as_str());
    let fixed = fixed
        .into_iter()
        .map(|listener| json!({"listener": listener, "last_updated": started}));
    let shown: HashSet<&str> = source.graph.listeners.iter().map(|l| &*l.name).collect();
    let dynamic = source.resources(kind).into_iter().map(|(name, held)| {
        let mut item = Map::new();
        item.insert("name".to_owned(), (*name).into());
        if let Some(state) = source.in_use(kind, "listener", &held) {
            let field = match shown.contains(&*name) {
                true => "active_state",
                false => "warming_state",
            };
            item.insert(field.to_owned(), state.into());
        }
        if let Some(refused) = source.refused(kind, &held) {
            item.insert("error_state".to_owned(), refused);
        }
        Value::Object(item)
    });
    Section {
        kind: "ListenersConfigDump",
        single: source.version(kind),
        lists: vec![
            List {
                name: "static_listeners",
                kind: "ListenersConfigDump.StaticListener",
                items: fixed.collect(),
            },
            List {
                name: "dynamic_listeners",
                kind: "ListenersConfigDump.DynamicListener",
                items: dynamic.collect(),
            },
        ],
    }
}
