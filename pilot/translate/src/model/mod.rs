//! What translation needs of the objects, and nothing else of them: an object that changed in
//! other ways leaves these values equal, and then nothing is translated again.

pub(crate) mod config;
pub(crate) mod credential;
pub(crate) mod endpoints;
pub(crate) mod host;
pub(crate) mod protocol;
pub(crate) mod selector;
pub(crate) mod service;
pub(crate) mod workload;

use std::sync::Arc;

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespacedName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl NamespacedName {
    /// From its parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Where an endpoint or a proxy runs (`core.v3.Locality`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// Node label `topology.kubernetes.io/region`.
    pub region: String,
    /// Node label `topology.kubernetes.io/zone`.
    pub zone: String,
    /// Node label `topology.istio.io/subzone`.
    pub subzone: String,
}
