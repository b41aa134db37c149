//! A mesh for tests: objects, and what programs in its pods say.

use std::collections::BTreeMap;

use async_trait::async_trait;
use local::object::selector::Selector;
use local::object::{kinds, labels, name, namespace, text};
use serde_json::Value;

use super::{Cluster, PodName};
use crate::failure::Failure;

/// A mesh that is made of what a test says.
#[derive(Default)]
pub(crate) struct FakeCluster {
    pub(crate) objects: Vec<Value>,
    /// By pod (`POD.NAMESPACE`) and the path asked for.
    pub(crate) pages: BTreeMap<(String, String), String>,
}

impl FakeCluster {
    /// The objects of a YAML text.
    pub(crate) fn of(text: &str) -> Self {
        let mut manifests = local::manifest::Manifests::default();
        manifests.add_text(text, "test.yaml");
        assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
        Self {
            objects: manifests.values(),
            pages: BTreeMap::new(),
        }
    }

    pub(crate) fn says(&mut self, pod: &str, path: &str, page: impl ToString) {
        let asked = (pod.to_owned(), path.to_owned());
        self.pages.insert(asked, page.to_string());
    }
}

#[async_trait(?Send)]
impl Cluster for FakeCluster {
    async fn list(
        &self,
        kind: &str,
        within: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        let known = kinds::by_word(kind).map_or("", |known| known.kind);
        let selector = selector.map(Selector::parse).transpose();
        let selector = selector.map_err(|error| Failure::error(error.to_string()))?;
        let selector = selector.unwrap_or_default();
        let all = self.objects.iter().filter(|object| {
            text(object, "/kind") == known
                && within.is_none_or(|within| namespace(object) == within)
                && selector.matches(&labels(object))
        });
        Ok(all.cloned().collect())
    }

    async fn find(&self, kind: &str, within: &str, wanted: &str) -> Result<Option<Value>, Failure> {
        let all = self.list(kind, Some(within), None).await?;
        Ok(all.into_iter().find(|object| name(object) == wanted))
    }

    async fn run(
        &self,
        pod: &PodName,
        container: &str,
        command: &[&str],
    ) -> Result<String, Failure> {
        let expected = match command.first() {
            Some(&"pilot") => "discovery",
            _ => "istio-proxy",
        };
        assert_eq!(container, expected, "{command:?}");
        let path = command.last().copied().unwrap_or_default().to_owned();
        let page = self.pages.get(&(pod.to_string(), path.clone()));
        page.cloned()
            .ok_or_else(|| Failure::error(format!("{path} of {pod}: 404 Not Found")))
    }

    fn admin_port(&self) -> u16 {
        15000
    }
}
