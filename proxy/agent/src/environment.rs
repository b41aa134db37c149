//! What the pod tells its agent: environment variables and downward-API files.

use std::collections::BTreeMap;
use std::path::Path;

use crate::downward;

/// Variables, labels and annotations of the pod, captured once at the start.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Environment variables; an empty value counts as unset, as in Istio.
    pub variables: BTreeMap<String, String>,
    /// The pod's labels (`/etc/istio/pod/labels`).
    pub labels: BTreeMap<String, String>,
    /// The pod's annotations (`/etc/istio/pod/annotations`).
    pub annotations: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process, with the downward-API files of `pod_info`. A missing file
    /// means none: a process outside of Kubernetes has no such files.
    pub fn capture(pod_info: &Path) -> Self {
        let read = |name| std::fs::read_to_string(pod_info.join(name)).unwrap_or_default();
        Self {
            // A variable that is not Unicode cannot be one of ours.
            variables: std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
            labels: downward::parse(&read("labels")),
            annotations: downward::parse(&read("annotations")),
        }
    }

    /// The value of a variable, unless it is unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a variable says yes (`true` or `1`).
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// Sets a variable that has no value yet: the environment wins over `proxyMetadata`.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn labels_and_annotations_come_from_the_pod_info_files() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("labels"), "app=\"greeter\"\n").unwrap();
        let environment = Environment::capture(directory.path());
        assert_eq!(environment.labels.get("app").unwrap(), "greeter");
        assert!(environment.annotations.is_empty());
    }

    #[test]
    fn an_empty_variable_is_unset_and_takes_a_default() {
        let mut environment = Environment::default();
        environment.variables.insert("A".into(), String::new());
        environment.variables.insert("B".into(), "own".into());
        environment.set_default("A", "given");
        environment.set_default("B", "given");
        assert_eq!(environment.get("A"), Some("given"));
        assert_eq!(environment.get("B"), Some("own"));
    }
}
