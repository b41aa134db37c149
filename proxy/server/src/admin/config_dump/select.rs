//! Parts of the dump: one list (`resource`), some fields (`mask`, a `FieldMask`).

use serde_json::{Map, Value, json};

use super::{Section, type_url};

/// The items of one list, each by itself.
pub(super) fn list(
    sections: Vec<Section>,
    resource: &str,
    mask: Option<&str>,
) -> Result<Value, String> {
    for section in sections {
        if section.single.iter().any(|(name, _)| *name == resource) {
            return Err(format!(
                "{resource} is not a repeated field. Use ?mask={resource} to get only this field"
            ));
        }
        let Some(list) = section.lists.into_iter().find(|list| list.name == resource) else {
            continue;
        };
        let items = list.items.into_iter().map(|item| {
            let item = match mask {
                None => item,
                Some(mask) => kept(&item, mask),
            };
            let mut typed = Map::new();
            typed.insert("@type".to_owned(), type_url(list.kind).into());
            if let Value::Object(fields) = item {
                typed.extend(fields);
            }
            Value::Object(typed)
        });
        return Ok(json!({"configs": items.collect::<Vec<_>>()}));
    }
    Err(format!("{resource} not found in config dump"))
}

/// Those sections that have a field of the mask, with these fields alone.
pub(super) fn masked(sections: Vec<Section>, mask: &str) -> Result<Value, String> {
    let has = |section: &Section, path: &str| {
        let first = path.split('.').next().unwrap_or_default();
        section.single.iter().any(|(name, _)| *name == first)
            || section.lists.iter().any(|list| list.name == first)
    };
    let chosen: Vec<Value> = sections
        .into_iter()
        .filter(|section| mask.split(',').any(|path| has(section, path)))
        .map(|section| kept(&section.into_value(), mask))
        .collect();
    match chosen.is_empty() {
        true => Err(format!(
            "FieldMask {mask} could not be successfully applied to any configs."
        )),
        false => Ok(json!({"configs": chosen})),
    }
}

/// What a mask keeps of a message: its paths and, wherever they lead, the types.
fn kept(value: &Value, mask: &str) -> Value {
    let mut result = Value::Object(Map::new());
    for path in mask.split(',').filter(|path| !path.is_empty()) {
        copy(value, &mut result, &path.split('.').collect::<Vec<_>>());
    }
    result
}

fn copy(from: &Value, to: &mut Value, path: &[&str]) {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return;
    };
    if let Some(kind) = from.get("@type") {
        to.entry("@type").or_insert_with(|| kind.clone());
    }
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let Some(value) = from.get(*first) else {
        return;
    };
    if rest.is_empty() {
        to.insert((*first).to_owned(), value.clone());
        return;
    }
    // Into a list no path of a mask leads: it names the list, or `resource` does.
    if value.is_object() {
        let inside = to
            .entry((*first).to_owned())
            .or_insert_with(|| Map::new().into());
        copy(value, inside, rest);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::List;
    use super::*;

    fn sections() -> Vec<Section> {
        let item = |name: &str| json!({"version_info": "7", "cluster": {"@type": "C", "name": name, "type": "EDS"}});
        vec![
            Section {
                kind: "BootstrapConfigDump",
                single: vec![("bootstrap", json!({"node": {"id": "x"}, "admin": {}}))],
                lists: Vec::new(),
            },
            Section {
                kind: "ClustersConfigDump",
                single: vec![("version_info", "7".into())],
                lists: vec![List {
                    name: "dynamic_active_clusters",
                    kind: "ClustersConfigDump.DynamicCluster",
                    items: vec![item("a"), item("b")],
                }],
            },
        ]
    }

    #[test]
    fn a_list_is_its_items() {
        let shown = list(
            sections(),
            "dynamic_active_clusters",
            Some("cluster.name,version_info"),
        );
        let item = |name: &str| {
            json!({
                "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster",
                "version_info": "7", "cluster": {"@type": "C", "name": name},
            })
        };
        assert_eq!(shown.unwrap(), json!({"configs": [item("a"), item("b")]}));
        let problem = list(sections(), "bootstrap", None).unwrap_err();
        assert!(
            problem.starts_with("bootstrap is not a repeated field."),
            "{problem}"
        );
        let problem = list(sections(), "nope", None).unwrap_err();
        assert_eq!(problem, "nope not found in config dump");
    }

    #[test]
    fn a_mask_keeps_what_it_names() {
        let shown = masked(sections(), "bootstrap.node").unwrap();
        assert_eq!(
            shown,
            json!({"configs": [{
                "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
                "bootstrap": {"node": {"id": "x"}},
            }]})
        );
        let problem = masked(sections(), "nope").unwrap_err();
        assert!(problem.contains("nope"), "{problem}");
    }
}
