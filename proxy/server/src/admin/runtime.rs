//! `/runtime`: the bootstrap's layers of runtime values.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Value, json};

use super::answer;

pub(crate) fn page(bootstrap: &Value) -> Response {
    answer::json(&shown(bootstrap))
}

fn shown(bootstrap: &Value) -> Value {
    let layers = bootstrap
        .pointer("/layered_runtime/layers")
        .and_then(Value::as_array);
    let layers: &[Value] = layers.map_or(&[], Vec::as_slice);
    let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        flatten("", &layer["static_layer"], &mut |name, value| {
            let values = entries
                .entry(name)
                .or_insert_with(|| vec![String::new(); layers.len()]);
            if let Some(place) = values.get_mut(at) {
                *place = value;
            }
        });
    }
    let entries: serde_json::Map<_, _> = entries
        .into_iter()
        .map(|(name, values)| {
            let last = values.iter().rev().find(|value| !value.is_empty()).cloned();
            let entry = json!({"layer_values": values, "final_value": last.unwrap_or_default()});
            (name, entry)
        })
        .collect();
    let names: Vec<_> = layers.iter().map(|layer| &layer["name"]).collect();
    json!({"entries": entries, "layers": names})
}

/// Members of members are values by their joined names.
fn flatten(prefix: &str, value: &Value, see: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = match prefix {
                    "" => name.clone(),
                    prefix => format!("{prefix}.{name}"),
                };
                flatten(&name, value, see);
            }
        }
        Value::Null => {}
        Value::String(text) => see(prefix.to_owned(), text.clone()),
        other => see(prefix.to_owned(), other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn values_have_one_place_for_each_layer() {
        let bootstrap = json!({"layered_runtime": {"layers": [
            {"name": "a", "static_layer": {"x.y": true, "z": {"w": 5}}},
            {"name": "b", "admin_layer": {}},
            {"name": "c", "static_layer": {"x.y": "no"}},
        ]}});
        let shown = shown(&bootstrap);
        assert_eq!(shown["layers"], json!(["a", "b", "c"]));
        assert_eq!(
            shown["entries"],
            json!({
                "x.y": {"layer_values": ["true", "", "no"], "final_value": "no"},
                "z.w": {"layer_values": ["5", "", ""], "final_value": "5"},
            })
        );
        assert_eq!(
            super::shown(&json!({})),
            json!({"entries": {}, "layers": []})
        );
    }
}
