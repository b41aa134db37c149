//! Between JSON and the values of a template.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::Value as Data;
use serde_json::{Map, Number, Value};

use super::names;

/// As it is: maps keep their keys.
pub(super) fn plain(value: &Value) -> Data {
    convert(value, &|key, inner| (key.to_owned(), plain(inner)))
}

/// As a Go object: keys are names of fields, but for the maps that users fill.
pub(super) fn object(value: &Value) -> Data {
    convert(value, &|key, inner| {
        let is_map = matches!(
            key,
            "labels"
                | "annotations"
                | "matchLabels"
                | "nodeSelector"
                | "limits"
                | "requests"
                | "overhead"
                | "proxyMetadata"
        );
        (
            names::in_go(key),
            if is_map { plain(inner) } else { object(inner) },
        )
    })
}

fn convert(value: &Value, field: &dyn Fn(&str, &Value) -> (String, Data)) -> Data {
    match value {
        Value::Null => Data::Nil,
        Value::Bool(flag) => Data::Bool(*flag),
        Value::Number(number) => number
            .as_i64()
            .map(Data::Int)
            .or_else(|| number.as_u64().map(Data::Uint))
            .unwrap_or_else(|| Data::Float(number.as_f64().unwrap_or_default())),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Data::List(
            items
                .iter()
                .map(|item| match item {
                    // The elements of a list are what the list is.
                    Value::Object(_) => convert(item, field),
                    other => plain(other),
                })
                .collect(),
        ),
        Value::Object(fields) => {
            let entries = fields.iter().map(|(key, inner)| {
                let (key, value) = field(key, inner);
                (Arc::from(key), value)
            });
            map(entries.collect())
        }
    }
}

pub(super) fn map(entries: BTreeMap<Arc<str>, Data>) -> Data {
    Data::Map(Arc::new(entries))
}

/// As JSON. A Go object (all of whose keys are names of fields) gets its JSON names, and what is empty is left out as Go
/// leaves it out.
pub(super) fn json(data: &Data) -> Value {
    match data {
        Data::Nil | Data::Function(_) => Value::Null,
        Data::Bool(flag) => Value::Bool(*flag),
        Data::Int(number) => Value::from(*number),
        Data::Uint(number) => Value::from(*number),
        Data::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Data::String(text) => Value::String(text.to_string()),
        Data::List(items) => items.iter().map(json).collect(),
        Data::Map(entries) => {
            let is_field = |key: &Arc<str>| key.starts_with(|c: char| c.is_ascii_uppercase());
            let is_object = !entries.is_empty() && entries.keys().all(is_field);
            let mut fields = Map::new();
            for (key, data) in entries.iter() {
                if !is_object {
                    fields.insert(key.to_string(), json(data));
                } else if data.is_truthy() {
                    fields.insert(names::in_json(key), json(data));
                }
            }
            Value::Object(fields)
        }
    }
}
