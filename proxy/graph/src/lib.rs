//! The compiled configuration of the data plane: an immutable graph of plain data that workers only read.
//!
//! It is made from xDS resources (crate `compile`), swapped in whole, and shares with the graph before it what did
//! not change. Whatever a request needs is resolved here: names are indexes, patterns are compiled, formats parsed.

pub mod chain;
pub mod cluster;
pub mod domains;
pub mod endpoint;
pub mod listener;
pub mod manager;
pub mod mutation;
pub mod policy;
pub mod route;
pub mod text;
pub mod tls;

use std::sync::Arc;

use cluster::{Cluster, ClusterId};
use listener::Listener;
use route::{RouteTable, TableId};

/// One whole configuration.
#[derive(Debug, Default, Clone)]
pub struct Graph {
    /// All listeners, those that own a socket and those that only take over connections of one that does.
    pub listeners: Vec<Arc<Listener>>,
    /// By `ClusterId`; `None` where a name is known (a route mentions it) and the cluster is not.
    pub clusters: Vec<Option<Arc<Cluster>>>,
    /// By `TableId`; `None` until the table of a listener that waits for it has come.
    pub tables: Vec<Option<Arc<RouteTable>>>,
}

impl Graph {
    /// The cluster of an id, if it is there.
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<Cluster>> {
        self.clusters.get(id.index())?.as_ref()
    }

    /// The route table of an id, if it is there.
    #[must_use]
    pub fn table(&self, id: TableId) -> Option<&Arc<RouteTable>> {
        self.tables.get(id.index())?.as_ref()
    }
}
