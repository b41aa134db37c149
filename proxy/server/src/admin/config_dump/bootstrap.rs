//! The bootstrap file.

use serde_json::Value;

use super::{Section, Source};
use crate::admin::{server_info, stamp};

/// Members that hold secrets, in any message of a bootstrap.
const SECRETS: [&str; 5] = ["private_key", "pkcs12", "password", "secret", "keys"];

pub(super) fn section(source: &Source) -> Section {
    let mut bootstrap = source.bootstrap.clone();
    if let Some(fields) = bootstrap.as_object_mut() {
        fields.insert("node".to_owned(), server_info::node(&source.bootstrap));
    }
    redact(&mut bootstrap, false);
    Section {
        kind: "BootstrapConfigDump",
        single: vec![
            ("bootstrap", bootstrap),
            ("last_updated", stamp::to_millisecond(source.started).into()),
        ],
        lists: Vec::new(),
    }
}

/// Static resources of a kind with their type, as they stand in the file.
pub(super) fn resources(source: &Source, list: &str, type_url: &str) -> Vec<Value> {
    let all = source
        .bootstrap
        .get("static_resources")
        .and_then(|resources| resources.get(list)?.as_array());
    let wanted = all.into_iter().flatten().filter(|resource| {
        let name = resource["name"].as_str().unwrap_or_default();
        source.wants(name)
    });
    let typed = wanted.filter_map(|resource| {
        let mut typed = serde_json::Map::new();
        typed.insert("@type".to_owned(), type_url.into());
        typed.extend(resource.as_object()?.clone());
        let mut typed = Value::Object(typed);
        redact(&mut typed, false);
        Some(typed)
    });
    typed.collect()
}

fn redact(value: &mut Value, below_secret: bool) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                redact(value, below_secret || SECRETS.contains(&name.as_str()));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, below_secret)),
        Value::String(text) if below_secret => *text = "[redacted]".to_owned(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_in_the_file_is_not_shown() {
        let mut value =
            json!({"a": [{"private_key": {"inline_string": "K"}, "certificate_chain": "C"}]});
        redact(&mut value, false);
        assert_eq!(
            value,
            json!({"a": [{"private_key": {"inline_string": "[redacted]"}, "certificate_chain": "C"}]})
        );
    }
}
