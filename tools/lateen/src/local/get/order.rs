//! `--field-selector` and `--sort-by`.

use std::cmp::Ordering;

use local::print::jsonpath::{Template, compare, shown};
use serde_json::Value;

/// Fields that objects must or must not have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldSelector(Vec<(Template, bool, String)>);

/// Reads `a.b=c,d!=e`.
pub(super) fn selector(text: &str) -> Result<FieldSelector, String> {
    text.split(',')
        .filter(|term| !term.is_empty())
        .map(|term| {
            let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = term.split_once("==") {
                (path, true, value)
            } else if let Some((path, value)) = term.split_once('=') {
                (path, true, value)
            } else {
                return Err(format!(
                    "invalid field selector: {text:?}; can't understand {term:?}: write FIELD=VALUE or FIELD!=VALUE"
                ));
            };
            let path = Template::parse_relaxed(path).map_err(|error| error.to_string())?;
            Ok((path, equal, value.to_owned()))
        })
        .collect::<Result<Vec<_>, String>>()
        .map(FieldSelector)
}

impl FieldSelector {
    /// Whether an object is meant. A field that is not there is empty.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(path, equal, wanted)| {
            let found = path.values(object).first().map(|value| shown(value));
            (found.unwrap_or_default() == *wanted) == *equal
        })
    }
}

/// What objects are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SortBy(Template);

/// Reads the value of `--sort-by`.
pub(super) fn sort_by(path: &str) -> Result<SortBy, String> {
    Template::parse_relaxed(path)
        .map(SortBy)
        .map_err(|error| error.to_string())
}

impl SortBy {
    /// Sorts; what lacks the field comes first.
    pub(super) fn sort(&self, objects: &mut [Value]) {
        objects.sort_by(|left, right| {
            match (self.0.values(left).first(), self.0.values(right).first()) {
                (Some(left), Some(right)) => compare(left, right).unwrap_or(Ordering::Equal),
                (left, right) => left.is_some().cmp(&right.is_some()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_select_as_kubectls_field_selector_does() {
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running", "n": 3}});
        for (text, expected) in [
            ("status.phase=Running", true),
            ("status.phase==Running,metadata.name!=b", true),
            ("status.phase!=Running", false),
            ("status.n=3", true),
            ("spec.nodeName=", true),
        ] {
            assert_eq!(selector(text).unwrap().matches(&pod), expected, "{text}");
        }
        assert!(selector("nonsense").is_err());
    }

    #[test]
    fn objects_are_sorted_by_any_field() {
        let mut objects = [
            json!({"n": 10, "id": 1}),
            json!({"n": 9, "id": 2}),
            json!({"id": 3}),
        ];
        sort_by("{.n}").unwrap().sort(&mut objects);
        let ids: Vec<&Value> = objects.iter().map(|object| &object["id"]).collect();
        assert_eq!(ids, [3, 2, 1]);
    }
}
