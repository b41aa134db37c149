//! `--set a.b.c=value`: one setting on the command line, as Helm and istioctl write it.

use serde_json::{Map, Value};

use crate::error::SettingsError;

/// One parsed argument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    /// The keys from the root on.
    pub(crate) path: Vec<String>,
    /// The value; null removes.
    pub(crate) value: Value,
}

/// Reads `KEY=VALUE`. Keys are joined by dots, `\.` is a dot inside a key. `true`, `false`, `null`
/// and integers are what they look like, `{a,b}` is a list, anything else a text (commas included).
///
/// # Errors
/// [`SettingsError::Set`] without `=` or with an empty key.
pub(crate) fn parse(argument: &str) -> Result<Assignment, SettingsError> {
    let wrong = |problem: &str| SettingsError::Set {
        argument: argument.to_owned(),
        problem: problem.to_owned(),
    };
    let (key, value) = argument.split_once('=').ok_or_else(|| wrong("has no ="))?;
    let mut path = vec![String::new()];
    let mut escaped = false;
    for c in key.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '.' if !escaped => path.push(String::new()),
            c => {
                escaped = false;
                if let Some(last) = path.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    if path.iter().any(String::is_empty) {
        return Err(wrong("has an empty key"));
    }
    Ok(Assignment {
        path,
        value: scalar_or_list(value),
    })
}

fn scalar_or_list(text: &str) -> Value {
    if let Some(items) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        let items = items.split(',').filter(|i| !i.is_empty());
        return Value::Array(items.map(scalar).collect());
    }
    scalar(text)
}

fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        // A leading zero or plus marks an identifier, not a number.
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => number.into(),
            _ => text.into(),
        },
    }
}

/// Lays `over` onto `base`: maps are merged, null removes, anything else replaces.
pub(crate) fn merge(base: &mut Value, over: Value) {
    match over {
        Value::Object(over) => {
            if !base.is_object() {
                *base = Map::new().into();
            }
            if let Value::Object(base) = base {
                for (key, value) in over {
                    if value.is_null() {
                        base.shift_remove(&key);
                    } else {
                        merge(base.entry(key).or_insert(Value::Null), value);
                    }
                }
            }
        }
        other => *base = other,
    }
}

/// The assignment as a tree to merge.
pub(crate) fn tree(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, key| {
        Value::Object(Map::from_iter([(key.clone(), inner)]))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_what_they_look_like_and_commas_belong_to_them() {
        let value = |argument: &str| parse(argument).unwrap().value;
        assert_eq!(value("a=15020"), json!(15020));
        assert_eq!(value("a=true"), json!(true));
        assert_eq!(value("a="), json!(""));
        assert_eq!(value("a=007"), json!("007"));
        assert_eq!(
            value("a=10.0.0.0/8,10.96.0.1/24"),
            json!("10.0.0.0/8,10.96.0.1/24")
        );
        assert_eq!(value("a={x,y}"), json!(["x", "y"]));
        assert_eq!(value("a=b=c"), json!("b=c"));
    }

    #[test]
    fn a_dot_after_a_backslash_stays_in_its_key() {
        let path = parse(r"values.labels.istio\.io/rev=x").unwrap().path;
        assert_eq!(path, ["values", "labels", "istio.io/rev"]);
    }

    #[test]
    fn an_argument_without_a_key_or_value_says_how_to_write_it() {
        for argument in ["values.global.hub", "=x", "a..b=c"] {
            let message = parse(argument).unwrap_err().to_string();
            assert!(message.contains("--set values.global.hub="), "{message}");
        }
    }

    #[test]
    fn merging_keeps_siblings_and_null_removes() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": 3});
        merge(&mut base, json!({"a": {"c": null, "e": 4}}));
        assert_eq!(base, json!({"a": {"b": 1, "e": 4}, "d": 3}));
    }
}
