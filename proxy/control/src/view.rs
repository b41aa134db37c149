//! What is held of each type, for the admin pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use xds::TypeUrl;

/// Everything that came, by type.
#[derive(Debug, Clone, Default)]
pub struct View {
    types: BTreeMap<TypeUrl, TypeView>,
}

/// The resources of one type.
#[derive(Debug, Clone, Default)]
pub struct TypeView {
    /// By name.
    pub resources: BTreeMap<Arc<str>, Held>,
    /// What was counted.
    pub counters: Counters,
    /// `system_version_info` of the last response that was taken.
    pub version: String,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct Held {
    /// The version in use; empty: none.
    pub version: String,
    /// When that came.
    pub updated: SystemTime,
    /// That version, encoded: what stands in `Any.value`.
    pub body: Bytes,
    /// What became of the last one that came.
    pub state: State,
    /// What is not honoured: field and words.
    pub warnings: Vec<(String, String)>,
}

/// What became of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is used.
    Accepted,
    /// It is not; the version before it, if there is one, goes on.
    Rejected {
        /// Its version.
        version: String,
        /// Why.
        error: String,
        /// When it came.
        attempted: SystemTime,
        /// What came, encoded.
        body: Bytes,
    },
}

/// Counters of a type, as Envoy counts updates (`cluster_manager.cds.update_success` and so on).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Responses that came.
    pub update_attempt: u64,
    /// Responses that were taken whole.
    pub update_success: u64,
    /// Responses of which something was refused.
    pub update_rejected: u64,
    /// Streams that ended.
    pub update_failure: u64,
    /// Fields that have no effect, in resources that were taken.
    pub warnings: u64,
}

impl View {
    /// What is held of a type.
    #[must_use]
    pub fn of(&self, kind: TypeUrl) -> TypeView {
        self.types.get(&kind).cloned().unwrap_or_default()
    }

    /// Counters of a type.
    #[must_use]
    pub fn counters(&self, kind: TypeUrl) -> Counters {
        self.types
            .get(&kind)
            .map(|t| t.counters)
            .unwrap_or_default()
    }

    /// Fields that have no effect, in what is used now.
    #[must_use]
    pub fn notes(&self) -> usize {
        let resources = self.types.values().flat_map(|of| of.resources.values());
        resources.map(|held| held.warnings.len()).sum()
    }

    /// Prefix of a type's counters in Envoy's statistics, for the types that have one.
    #[must_use]
    pub fn prefix(kind: TypeUrl) -> Option<&'static str> {
        match kind {
            TypeUrl::Cluster => Some("cluster_manager.cds"),
            TypeUrl::Listener => Some("listener_manager.lds"),
            TypeUrl::Endpoints | TypeUrl::Route | TypeUrl::Secret => None,
        }
    }

    pub(crate) fn entry(&mut self, kind: TypeUrl) -> &mut TypeView {
        self.types.entry(kind).or_default()
    }
}

impl TypeView {
    /// Forgets what is not referred to any more.
    pub(crate) fn keep(&mut self, referred: impl Fn(&Arc<str>) -> bool) {
        self.resources.retain(|name, _| referred(name));
    }

    pub(crate) fn accepted(
        &mut self,
        name: &Arc<str>,
        version: &str,
        body: Bytes,
        now: SystemTime,
    ) {
        let held = Held {
            version: version.to_owned(),
            updated: now,
            body,
            state: State::Accepted,
            warnings: Vec::new(),
        };
        self.resources.insert(name.clone(), held);
    }

    pub(crate) fn rejected(
        &mut self,
        name: &Arc<str>,
        version: &str,
        error: &str,
        body: Bytes,
        now: SystemTime,
    ) {
        let held = self.resources.entry(name.clone()).or_insert_with(|| Held {
            version: String::new(),
            updated: now,
            body: Bytes::new(),
            state: State::Accepted,
            warnings: Vec::new(),
        });
        held.state = State::Rejected {
            version: version.to_owned(),
            error: error.to_owned(),
            attempted: now,
            body,
        };
    }
}
