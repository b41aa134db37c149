//! `apply` as kubectl does it: a three-way merge of what was applied last, what is applied now and what
//! is there, so that fields set by others (replicas scaled, a restart annotation) stay.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Outcome, Store, StoreError};
use crate::object::{Key, as_map, canonical, child, is_terminating, kinds, text};

/// The annotation in which kubectl keeps what was applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Store {
    /// Applies one object. Namespaced objects without a namespace go to `default_namespace`.
    ///
    /// # Errors
    /// When it has no name, the name is not valid, or its namespace does not exist or is ending.
    pub fn apply(
        &self,
        mut object: Value,
        default_namespace: &str,
    ) -> Result<(Outcome, Arc<Value>), StoreError> {
        let kind = text(&object, "/kind").to_owned();
        let metadata = child(&mut object, "metadata");
        if kinds::is_namespaced(&kind) {
            metadata
                .entry("namespace")
                .or_insert_with(|| json!(default_namespace));
        } else {
            metadata.remove("namespace");
        }
        let key = Key::of(&object).ok_or(StoreError::Unnamed)?;
        check_key(&key)?;
        self.check_namespace(&key)?;

        let mut recorded = canonical(&object);
        as_map(&mut recorded).remove("status");
        let live = self.get(&key);
        let mut merged = match &live {
            None => object,
            Some(live) => {
                let last = live
                    .pointer("/metadata/annotations")
                    .and_then(|annotations| annotations.get(LAST_APPLIED))
                    .and_then(Value::as_str)
                    .and_then(|text| serde_json::from_str(text).ok())
                    .unwrap_or(Value::Null);
                let mut merged = (**live).clone();
                three_way(&last, &object, &mut merged);
                merged
            }
        };
        annotate(&mut merged, recorded.to_string());
        self.put(merged)
    }

    /// Whether an object may be made in its namespace.
    ///
    /// # Errors
    /// When the namespace does not exist, or is ending and the object would be new.
    pub fn check_namespace(&self, key: &Key) -> Result<(), StoreError> {
        if key.namespace.is_empty() {
            return Ok(());
        }
        let namespace = self
            .get(&Key::core("Namespace", "", &key.namespace))
            .ok_or_else(|| StoreError::NoNamespace(key.namespace.clone()))?;
        if is_terminating(&namespace) && self.get(key).is_none() {
            return Err(StoreError::NamespaceTerminating(key.clone()));
        }
        Ok(())
    }
}

fn annotate(object: &mut Value, recorded: String) {
    let metadata = child(object, "metadata");
    let annotations = metadata
        .entry("annotations")
        .or_insert_with(|| Value::Object(Map::new()));
    as_map(annotations).insert(LAST_APPLIED.to_owned(), json!(recorded));
}

/// Merges `new` into `live`; what `last` had and `new` has not is removed. A list is replaced whole, unless
/// it was applied just so the last time: then what was filled in since (node ports, defaults) stays.
fn three_way(last: &Value, new: &Value, live: &mut Value) {
    if new.is_array() && live.is_array() && last == new {
        return;
    }
    let (Value::Object(new), Value::Object(_)) = (new, &*live) else {
        *live = new.clone();
        return;
    };
    let live = as_map(live);
    if let Value::Object(last) = last {
        live.retain(|field, _| new.contains_key(field) || !last.contains_key(field));
    }
    for (field, value) in new {
        let before = last.get(field).unwrap_or(&Value::Null);
        match live.get_mut(field) {
            Some(there) => three_way(before, value, there),
            None => {
                live.insert(field.clone(), value.clone());
            }
        }
    }
}

/// Objects' kinds and names become file names and DNS names here, so what the API server refuses is refused.
///
/// # Errors
/// [`StoreError::InvalidKind`], [`StoreError::InvalidName`].
pub fn check_key(key: &Key) -> Result<(), StoreError> {
    let plain_kind = key.kind.chars().all(|c| c.is_ascii_alphanumeric());
    let plain_group = key
        .group
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
    if !plain_kind || !plain_group {
        return Err(StoreError::InvalidKind(key.clone()));
    }
    const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
        characters, '-' or '.', and must start and end with an alphanumeric character";
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let valid = |name: &str| {
        name.len() <= 253
            && edge(name.chars().next())
            && edge(name.chars().last())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
            && !name.contains("..")
    };
    // RBAC names may hold colons and more; they name no file and no host that others resolve.
    let free = key.group == "rbac.authorization.k8s.io";
    let bad_path = key.name.contains('/') || key.name == "." || key.name == "..";
    if (free && !bad_path || valid(&key.name))
        && (key.namespace.is_empty() || valid(&key.namespace))
    {
        Ok(())
    } else {
        Err(StoreError::InvalidName(key.clone(), SUBDOMAIN))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn store() -> Store {
        let store = Store::default();
        store
            .create(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
            )
            .unwrap();
        store
    }

    fn deployment(replicas: Option<i64>, image: &str) -> Value {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}});
        if let Some(replicas) = replicas {
            object["spec"]["replicas"] = json!(replicas);
        }
        object
    }

    #[test]
    fn applying_twice_is_created_then_unchanged_then_configured() {
        let store = store();
        let apply = |object| store.apply(object, "default").unwrap().0;
        assert_eq!(apply(deployment(Some(3), "a")), Outcome::Created);
        assert_eq!(apply(deployment(Some(3), "a")), Outcome::Unchanged);
        assert_eq!(apply(deployment(Some(3), "b")), Outcome::Configured);
    }

    #[test]
    fn what_others_set_stays_and_what_was_applied_and_left_out_goes() {
        let store = store();
        store.apply(deployment(Some(3), "a"), "default").unwrap();
        let key = Key::of_group("apps", "Deployment", "default", "d");
        store
            .patch(
                &key,
                &json!({"spec": {"template": {"metadata": {"annotations": {"restartedAt": "x"}}}}}),
            )
            .unwrap();
        let (_, live) = store.apply(deployment(None, "a"), "default").unwrap();
        assert_eq!(
            live["spec"]["template"]["metadata"]["annotations"]["restartedAt"],
            "x"
        );
        assert!(live["spec"].get("replicas").is_none());
    }

    #[test]
    fn defaults_filled_into_a_list_survive_applying_the_same_again() {
        let store = store();
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"ports": [{"port": 80}]}});
        store.apply(service.clone(), "default").unwrap();
        let key = Key::core("Service", "default", "s");
        store
            .patch(
                &key,
                &json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}]}}),
            )
            .unwrap();
        let (outcome, live) = store.apply(service, "default").unwrap();
        assert_eq!(outcome, Outcome::Unchanged);
        assert_eq!(live["spec"]["ports"][0]["protocol"], "TCP");
    }

    #[test]
    fn an_object_in_a_namespace_that_does_not_exist_is_refused() {
        let error = store().apply(deployment(None, "a"), "nowhere").unwrap_err();
        assert_eq!(error.to_string(), r#"namespaces "nowhere" not found"#);
    }

    #[test]
    fn a_kind_or_group_that_would_leave_its_folder_is_refused() {
        for (version, kind) in [("v1", "../x"), ("v1", "A/b"), ("a b/v1", "A")] {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
            let error = store().apply(object, "default").unwrap_err().to_string();
            assert!(
                error.contains(kind) && error.contains("apiVersion"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_name_that_would_leave_its_folder_is_refused() {
        for name in ["../../etc/passwd", "a/b", "UPPER", "-a", "a..b"] {
            let object =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            assert!(
                matches!(
                    store().apply(object, "default"),
                    Err(StoreError::InvalidName(..))
                ),
                "{name}"
            );
        }
    }
}
