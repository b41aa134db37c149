//! Kubernetes' strategic merge for the fields of a pod: lists of named things are merged by name,
//! other lists and scalars are replaced, null removes. Beyond Kubernetes' own: of a union (a probe's
//! action, a volume's source, a variable's value) only the member that the patch sets is left.

use serde_json::{Map, Value};

/// Lists that are merged, and the field that tells their elements apart.
const MERGED_LISTS: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("resourceClaims", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("ports", "containerPort"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
];

/// Fields of which an object has one at most.
const UNIONS: &[&[&str]] = &[
    &["exec", "httpGet", "tcpSocket", "grpc", "sleep"],
    &["value", "valueFrom"],
];

/// Lays `patch` over `base`.
pub(crate) fn merge(base: &mut Value, patch: &Value) {
    match (&mut *base, patch) {
        (Value::Object(base), Value::Object(patch)) => merge_maps(base, patch),
        (base, patch) => *base = without_nulls(patch),
    }
}

fn merge_maps(base: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for union in UNIONS {
        let set = |member: &&&str| patch.get(**member).is_some_and(|v| !v.is_null());
        if let Some(chosen) = union.iter().find(set) {
            for member in union.iter().filter(|m| *m != chosen) {
                base.shift_remove(*member);
            }
        }
    }
    for (key, value) in patch {
        if value.is_null() {
            base.shift_remove(key);
            continue;
        }
        let list_key = MERGED_LISTS.iter().find(|(list, _)| list == key);
        match (base.get_mut(key), value, list_key) {
            (Some(Value::Array(base)), Value::Array(patch), Some((list, element_key))) => {
                merge_lists(base, patch, list, element_key);
            }
            (Some(base), value, _) => merge(base, value),
            (None, value, _) => {
                base.insert(key.clone(), without_nulls(value));
            }
        }
    }
}

/// The patch's elements in the patch's order, with the base's other elements kept before the
/// first patched one that followed them.
fn merge_lists(base: &mut Vec<Value>, patch: &[Value], list: &str, element_key: &str) {
    let same = |a: &Value, b: &Value| a.get(element_key) == b.get(element_key);
    let position = |item: &Value| base.iter().position(|b| same(b, item));
    // Each result element with its place in the base, if it had one.
    let mut merged: Vec<(Option<usize>, Value)> = Vec::new();
    for item in patch {
        let place = position(item);
        let before = place.and_then(|place| base.get(place));
        let value = match before {
            Some(before) => {
                let mut value = before.clone();
                if list == "volumes" {
                    keep_one_source(&mut value, item);
                }
                merge(&mut value, item);
                value
            }
            None => without_nulls(item),
        };
        match merged.iter_mut().find(|(_, m)| same(m, item)) {
            Some((_, twice)) => merge(twice, item),
            None => merged.push((place, value)),
        }
    }
    let mut from = 0;
    for (place, item) in base.iter().enumerate() {
        if patch.iter().any(|p| same(p, item)) {
            continue;
        }
        let follows = |(other, _): &(Option<usize>, Value)| other.is_some_and(|o| o > place);
        let rest = merged.get(from..).unwrap_or_default();
        let at = rest
            .iter()
            .position(follows)
            .map_or(merged.len(), |i| from + i);
        merged.insert(at, (Some(place), item.clone()));
        from = at + 1;
    }
    *base = merged.into_iter().map(|(_, item)| item).collect();
}

/// A volume has one source: the patch's replaces another kind.
fn keep_one_source(volume: &mut Value, patch: &Value) {
    let sources = patch.as_object().into_iter().flatten();
    let named: Vec<&String> = sources.map(|(k, _)| k).filter(|k| *k != "name").collect();
    if let (Some(volume), false) = (volume.as_object_mut(), named.is_empty()) {
        volume.retain(|key, _| key == "name" || named.contains(&key));
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k.clone(), without_nulls(v)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    fn merged(mut base: Value, patch: Value) -> Value {
        merge(&mut base, &patch);
        base
    }

    #[test]
    fn named_elements_are_merged_and_others_stay_where_they_were() {
        let base = json!({"env": [{"name": "A", "value": "1"}, {"name": "X"}, {"name": "B"}]});
        let patch = json!({"env": [{"name": "N"}, {"name": "A", "value": "2"}, {"name": "B"}]});
        let names: Vec<Value> = merged(base, patch)["env"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|e| e["name"].clone())
            .collect();
        assert_eq!(names, ["N", "A", "X", "B"]);
    }

    #[test]
    fn elements_of_the_base_alone_come_after_new_ones() {
        let base = json!({"volumes": [{"name": "data"}]});
        let patch = json!({"volumes": [{"name": "token"}, {"name": "socket"}]});
        assert_eq!(
            merged(base, patch),
            json!({"volumes": [{"name": "token"}, {"name": "socket"}, {"name": "data"}]})
        );
    }

    #[test]
    fn plain_lists_are_replaced_and_null_removes() {
        let base = json!({"args": ["a", "b"], "tty": true});
        assert_eq!(
            merged(base, json!({"args": ["c"], "tty": null})),
            json!({"args": ["c"]})
        );
    }

    #[test]
    fn of_a_probes_actions_and_a_volumes_sources_the_last_set_is_left() {
        let base = json!({"preStop": {"exec": {"command": ["x"]}}});
        assert_eq!(
            merged(base, json!({"preStop": {"httpGet": {"port": 1}}})),
            json!({"preStop": {"httpGet": {"port": 1}}})
        );
        let base = json!({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]});
        assert_eq!(
            merged(
                base,
                json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]})
            ),
            json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]})
        );
    }
}
