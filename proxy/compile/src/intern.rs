//! Numbers for names. A number stays its name's as long as the process runs, so that one graph can be compared with
//! the next, and counters kept by number outlive a cluster that goes and comes back.

use std::collections::HashMap;
use std::sync::Arc;

use graph::cluster::ClusterId;
use graph::route::TableId;

use crate::same::Same;

/// Numbers of clusters and of route tables, and what these have in common.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    clusters: HashMap<Arc<str>, u32>,
    tables: HashMap<Arc<str>, u32>,
    pub(crate) same: Same,
}

impl Interner {
    pub(crate) fn cluster(&mut self, name: &str) -> ClusterId {
        ClusterId(number(&mut self.clusters, name))
    }

    /// The name of a cluster as it is kept for its number.
    pub(crate) fn name(&mut self, of: &Arc<str>) -> Arc<str> {
        number(&mut self.clusters, of.clone());
        let known = self.clusters.get_key_value(of);
        known.map_or_else(|| of.clone(), |(name, _)| name.clone())
    }

    pub(crate) fn table(&mut self, name: &str) -> TableId {
        TableId(number(&mut self.tables, name))
    }

    /// How many clusters have numbers.
    pub(crate) fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// How many tables have numbers.
    pub(crate) fn tables(&self) -> usize {
        self.tables.len()
    }
}

fn number(of: &mut HashMap<Arc<str>, u32>, name: impl AsRef<str> + Into<Arc<str>>) -> u32 {
    if let Some(number) = of.get(name.as_ref()) {
        return *number;
    }
    let next = of.len() as u32;
    of.insert(name.into(), next);
    next
}
