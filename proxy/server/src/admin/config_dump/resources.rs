//! What all kinds of resources have in common.

use std::sync::Arc;

use control::Held;
use serde_json::{Map, Value, json};
use xds::TypeUrl;

use super::Source;
use crate::admin::stamp;

impl Source {
    /// Resources of a kind that are asked for, by name.
    pub(super) fn resources(&self, kind: TypeUrl) -> Vec<(Arc<str>, Held)> {
        let held = self.view.of(kind).resources;
        held.into_iter()
            .filter(|(name, _)| self.wants(name))
            .collect()
    }

    /// The version of a kind's last response that was taken.
    pub(super) fn version(&self, kind: TypeUrl) -> Vec<(&'static str, Value)> {
        let version = self.view.of(kind).version;
        match version.is_empty() {
            true => Vec::new(),
            false => vec![("version_info", version.into())],
        }
    }

    /// The resource in use with its version and time, if one is; `field` is what it is called.
    pub(super) fn in_use(
        &self,
        kind: TypeUrl,
        field: &str,
        held: &Held,
    ) -> Option<Map<String, Value>> {
        // A resource that was only ever refused has no version that is used.
        let used = held.used()?;
        let mut object = Map::new();
        if !used.version.is_empty() {
            object.insert("version_info".to_owned(), used.version.into());
        }
        object.insert(field.to_owned(), self.schema.any(kind.as_str(), &used.body));
        object.insert(
            "last_updated".to_owned(),
            stamp::to_millisecond(held.updated).into(),
        );
        Some(object)
    }

    /// What was refused and why (`UpdateFailureState`), if the last one was.
    pub(super) fn refused(&self, kind: TypeUrl, held: &Held) -> Option<Value> {
        let refused = held.refused()?;
        let came = refused.came();
        Some(json!({
            "failed_configuration": self.schema.any(kind.as_str(), &came.body),
            "last_update_attempt": stamp::to_millisecond(refused.attempted),
            "details": refused.error,
            "version_info": came.version,
        }))
    }

    /// Items of a list of resources of a kind, each with the one in use and the one refused.
    pub(super) fn items(&self, kind: TypeUrl, field: &str) -> Vec<(Arc<str>, Value)> {
        let items = self.resources(kind).into_iter().map(|(name, held)| {
            let mut item = self.in_use(kind, field, &held).unwrap_or_default();
            if let Some(refused) = self.refused(kind, &held) {
                item.insert("error_state".to_owned(), refused);
            }
            (name, Value::Object(item))
        });
        items.collect()
    }
}
