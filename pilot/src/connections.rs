//! The data planes that are connected now.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use xds::configuration::Report;

use crate::metrics;

/// One connected data plane.
pub struct Connection {
    /// The node's id and a number: `sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local-7`.
    pub id: String,
    /// The node's id.
    pub node: String,
    /// The cluster that the node says it is of.
    pub cluster: Option<String>,
    /// The version that the node says it has.
    pub version: Option<String>,
    /// Where it connects from.
    pub address: Option<SocketAddr>,
    /// Its SPIFFE id; `None` on the plaintext port.
    pub identity: Option<String>,
    /// Since when.
    pub since: SystemTime,
    /// What its session holds.
    pub report: Arc<dyn Report>,
}

/// All connected data planes.
#[derive(Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

/// Takes a connection off the list when dropped.
pub struct Registered {
    connections: Arc<Connections>,
    number: u64,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection; its id gets a number. It is on the list until the result is dropped.
    pub fn register(self: &Arc<Self>, mut connection: Connection) -> Registered {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        connection.id = format!("{}-{number}", connection.node);
        let mut open = self.lock();
        open.insert(number, Arc::new(connection));
        metrics::connected(open.len());
        Registered {
            connections: self.clone(),
            number,
        }
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().values().cloned().collect()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.remove(&self.number);
        metrics::connected(open.len());
    }
}
