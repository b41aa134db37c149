//! Label selectors: the map of a Service, the `matchLabels`/`matchExpressions` of a Deployment and the
//! text of `-l`.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use super::{list, strings, text};

/// A requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The label is there and its value is one of these.
    In(String, Vec<String>),
    /// The label is absent or its value is none of these.
    NotIn(String, Vec<String>),
    /// The label is there.
    Exists(String),
    /// The label is absent.
    Absent(String),
}

/// All requirements must hold; none holds for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

/// A `-l` text that does not parse.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "unable to parse requirement {0:?}: write key=value, key!=value, key, !key, key in (a,b) or key notin (a,b)"
)]
pub struct SelectorError(String);

impl Selector {
    /// A selector made of exact labels, as in a Service's `spec.selector`.
    pub fn exact(labels: &BTreeMap<String, String>) -> Self {
        Self(
            labels
                .iter()
                .map(|(key, value)| Requirement::In(key.clone(), vec![value.clone()]))
                .collect(),
        )
    }

    /// A `LabelSelector` (`matchLabels`, `matchExpressions`). None when it is empty or absent, which in a
    /// Deployment selects nothing.
    pub fn of_label_selector(selector: &Value) -> Option<Self> {
        let mut requirements = Self::exact(&strings(selector, "/matchLabels")).0;
        for expression in list(selector, "/matchExpressions") {
            let key = text(expression, "/key").to_owned();
            let values = list(expression, "/values")
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect();
            requirements.push(match text(expression, "/operator") {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => return None,
            });
        }
        (!requirements.is_empty()).then_some(Self(requirements))
    }

    /// The text of `-l`.
    ///
    /// # Errors
    /// Names the requirement that does not parse.
    pub fn parse(input: &str) -> Result<Self, SelectorError> {
        split_outside_parentheses(input)
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(parse_requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether `labels` satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

fn split_outside_parentheses(input: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    input
        .split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .collect()
}

fn parse_requirement(part: &str) -> Result<Requirement, SelectorError> {
    let error = || SelectorError(part.to_owned());
    let key_ok = |key: &str| !key.is_empty() && !key.contains(char::is_whitespace);
    let set = |rest: &str| -> Option<Vec<String>> {
        let inner = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    if let Some((key, value)) = part.split_once("!=") {
        let key = key.trim();
        return key_ok(key)
            .then(|| Requirement::NotIn(key.to_owned(), vec![value.trim().to_owned()]))
            .ok_or_else(error);
    }
    if let Some((key, value)) = part.split_once('=') {
        let (key, value) = (key.trim(), value.strip_prefix('=').unwrap_or(value).trim());
        return key_ok(key)
            .then(|| Requirement::In(key.to_owned(), vec![value.to_owned()]))
            .ok_or_else(error);
    }
    if let Some((key, rest)) = part.split_once(" notin ") {
        let values = set(rest).ok_or_else(error)?;
        return Ok(Requirement::NotIn(key.trim().to_owned(), values));
    }
    if let Some((key, rest)) = part.split_once(" in ") {
        let values = set(rest).ok_or_else(error)?;
        return Ok(Requirement::In(key.trim().to_owned(), values));
    }
    if let Some(key) = part.strip_prefix('!') {
        return key_ok(key)
            .then(|| Requirement::Absent(key.to_owned()))
            .ok_or_else(error);
    }
    key_ok(part)
        .then(|| Requirement::Exists(part.to_owned()))
        .ok_or_else(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn the_selector_of_the_command_line_follows_kubectls_grammar() {
        let web = labels(&[("app", "web"), ("tier", "front")]);
        for (text, matches) in [
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("missing!=x", true),
            ("app in (web, api)", true),
            ("app notin (web, api),tier", false),
            ("!app", false),
            ("!missing", true),
        ] {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.matches(&web), matches, "{text}");
        }
        assert!(Selector::parse("a b").is_err());
    }

    #[test]
    fn an_empty_deployment_selector_selects_nothing() {
        assert_eq!(Selector::of_label_selector(&json!({})), None);
        let selector = Selector::of_label_selector(&json!({
            "matchExpressions": [{"key": "app", "operator": "Exists"}]}))
        .unwrap();
        assert!(selector.matches(&labels(&[("app", "x")])));
    }
}
