//! `SecretsConfigDump`: keys are redacted.

use serde_json::{Map, Value};
use xds::TypeUrl;

use super::{List, Section, Source};

pub(super) fn section(source: &Source) -> Section {
    let items = source.items(TypeUrl::Secret, "secret");
    let named = items.into_iter().map(|(name, item)| {
        let mut named = Map::new();
        named.insert("name".to_owned(), (*name).into());
        if let Value::Object(fields) = item {
            named.extend(fields);
        }
        Value::Object(named)
    });
    Section {
        kind: "SecretsConfigDump",
        single: Vec::new(),
        lists: vec![List {
            name: "dynamic_active_secrets",
            kind: "SecretsConfigDump.DynamicSecret",
            items: named.collect(),
        }],
    }
}
