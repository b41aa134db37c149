//! An object as the API server sent it. Anything that is JSON is taken here: one object that is not
//! what it should be would otherwise make a whole list unreadable.

use std::borrow::Cow;

use kube::Resource;
use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What was sent, and of its metadata what following a kind needs: name, namespace, resource version.
#[derive(Debug, Clone)]
pub(super) struct Received {
    metadata: ObjectMeta,
    /// The object itself.
    pub(super) value: Value,
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = |field: &str| {
            let text = value.get("metadata")?.get(field)?.as_str()?;
            Some(text.to_owned())
        };
        let metadata = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, value })
    }
}

impl Resource for Received {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whatever_is_json_is_taken() {
        for text in [
            "null",
            "7",
            "[]",
            r#"{"metadata": "none"}"#,
            r#"{"metadata": {"name": 7, "labels": [], "resourceVersion": {}}}"#,
        ] {
            let received: Received = serde_json::from_str(text).unwrap();
            assert_eq!(received.meta().name, None, "{text}");
        }
    }

    #[test]
    fn what_names_an_object_is_read_though_the_rest_is_garbage() {
        let text = r#"{"metadata": {"name": "a", "namespace": "b", "resourceVersion": "7", "labels": 1}, "spec": 2}"#;
        let received: Received = serde_json::from_str(text).unwrap();
        let meta = received.meta();
        assert_eq!(meta.name.as_deref(), Some("a"));
        assert_eq!(meta.namespace.as_deref(), Some("b"));
        assert_eq!(meta.resource_version.as_deref(), Some("7"));
    }
}
