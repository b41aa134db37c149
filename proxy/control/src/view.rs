//! What is held of each type, for the admin pages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use xds::TypeUrl;

use crate::packed::{Came, Packed, Packer};

/// Everything that came, by type.
#[derive(Debug, Clone, Default)]
pub struct View {
    types: BTreeMap<TypeUrl, TypeView>,
    pub(crate) initialization: Initialization,
}

/// How far the first configuration has come. It only goes forward: what comes later is used as it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Initialization {
    /// Clusters have not come, or some of them wait for endpoints, certificates or addresses.
    #[default]
    Clusters,
    /// Listeners have not come, or some of them wait for routes or certificates.
    Listeners,
    /// All that was waited for came, or was waited for long enough.
    Done,
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
    pub(crate) packer: Packer,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct Held {
    /// When the version in use came; where there is none, when the first one did.
    pub updated: SystemTime,
    used: Option<Packed>,
    /// What few have.
    besides: Option<Arc<Besides>>,
}

/// What is to be said of a resource besides that it is used.
#[derive(Debug, Clone, Default)]
struct Besides {
    refused: Option<Refused>,
    warnings: Vec<(String, String)>,
}

/// A version that was refused: the one before it, if there is one, goes on.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why.
    pub error: String,
    /// When it came.
    pub attempted: SystemTime,
    packed: Packed,
}

impl Refused {
    /// What came.
    #[must_use]
    pub fn came(&self) -> Came {
        self.packed.unpack()
    }
}

impl Held {
    /// The version in use, if there is one.
    #[must_use]
    pub fn used(&self) -> Option<Came> {
        Some(self.used.as_ref()?.unpack())
    }

    /// The last one that came, if it is not used.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        self.besides.as_ref()?.refused.as_ref()
    }

    /// What is not honoured of what is used: field and words.
    #[must_use]
    pub fn warnings(&self) -> &[(String, String)] {
        self.besides.as_ref().map_or(&[], |b| &b.warnings)
    }

    fn besides(&mut self) -> &mut Besides {
        Arc::make_mut(self.besides.get_or_insert_default())
    }
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

    /// How far the first configuration has come.
    #[must_use]
    pub fn initialization(&self) -> Initialization {
        self.initialization
    }

    /// Fields that have no effect, in what is used now.
    #[must_use]
    pub fn notes(&self) -> usize {
        let resources = self.types.values().flat_map(|of| of.resources.values());
        resources.map(|held| held.warnings().len()).sum()
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

    /// Versions in use of resources of a type, by name.
    pub(crate) fn versions(
        &self,
        kind: TypeUrl,
        wanted: impl Fn(&str) -> bool,
    ) -> HashMap<String, String> {
        let resources = self
            .types
            .get(&kind)
            .into_iter()
            .flat_map(|of| &of.resources);
        resources
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, held)| Some((name.to_string(), held.used()?.version)))
            .collect()
    }

    /// The name of a resource as it is kept, where one of any type is called so: endpoints mostly are as their cluster.
    pub(crate) fn kept(&self, name: &str) -> Option<&Arc<str>> {
        let mut resources = self.types.values().map(|of| &of.resources);
        resources.find_map(|of| Some(of.get_key_value(name)?.0))
    }

    pub(crate) fn entry(&mut self, kind: TypeUrl) -> &mut TypeView {
        self.types.entry(kind).or_default()
    }
}

impl Counters {
    /// Whether a response came, good or bad.
    pub(crate) fn answered(self) -> bool {
        self.update_success + self.update_rejected > 0
    }
}

impl TypeView {
    /// Forgets what is not referred to any more.
    pub(crate) fn keep(&mut self, referred: impl Fn(&Arc<str>) -> bool) {
        self.resources.retain(|name, _| referred(name));
    }

    /// A version came and is used.
    pub(crate) fn accepted(&mut self, name: &Arc<str>, came: Packed, now: SystemTime) {
        let held = Held {
            updated: now,
            used: Some(came),
            besides: None,
        };
        self.resources.insert(name.clone(), held);
    }

    /// A version came and is refused.
    pub(crate) fn rejected(&mut self, name: &Arc<str>, came: Packed, error: &str, now: SystemTime) {
        let held = self.resources.entry(name.clone()).or_insert_with(|| Held {
            updated: now,
            used: None,
            besides: None,
        });
        held.besides().refused = Some(Refused {
            error: error.to_owned(),
            attempted: now,
            packed: came,
        });
    }

    /// A field of what is used has no effect.
    pub(crate) fn warned(&mut self, name: &str, field: &str, message: &str) {
        if let Some(held) = self.resources.get_mut(name) {
            let warning = (field.to_owned(), message.to_owned());
            held.besides().warnings.push(warning);
        }
    }
}
