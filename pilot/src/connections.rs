//! The data planes that are connected now.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use translate::Proxy;
use xds::TypeUrl;
use xds::configuration::Report;

use crate::metrics;

/// One connected data plane.
pub struct Connection {
    /// The node's id and a number: `sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local-7`.
    pub id: String,
    /// The data plane as it introduced itself.
    pub proxy: Proxy,
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
    /// When something of a type was sent last.
    pub pushes: Pushes,
}

impl Connection {
    /// `POD.NAMESPACE`: how Istio's tools name a data plane.
    pub fn pod(&self) -> String {
        format!("{}.{}", self.proxy.pod.name, self.proxy.pod.namespace)
    }
}

/// When something of each type was sent last.
#[derive(Debug, Default)]
pub struct Pushes(Mutex<BTreeMap<TypeUrl, SystemTime>>);

impl Pushes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TypeUrl, SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of the type is sent now.
    pub fn note(&self, type_url: TypeUrl) {
        self.lock().insert(type_url, SystemTime::now());
    }

    /// When something of the type was sent last.
    pub fn last(&self, type_url: TypeUrl) -> Option<SystemTime> {
        self.lock().get(&type_url).copied()
    }
}

/// All connected data planes.
#[derive(Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    /// How many of them are sidecars that no service leads to.
    without_service: AtomicUsize,
}

/// Takes a connection off the list when dropped.
pub struct Registered {
    connections: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
    is_without_service: AtomicBool,
}

impl Registered {
    /// Something of a type is sent now.
    pub fn sends(&self, type_url: TypeUrl) {
        self.connection.pushes.note(type_url);
    }

    /// Takes note of whether any service leads to the data plane.
    pub fn belongs_to_service(&self, belongs: bool) {
        if self.is_without_service.swap(!belongs, Ordering::Relaxed) == belongs {
            self.connections.count_without_service(!belongs);
        }
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection; its id gets a number. It is on the list until the result is dropped.
    pub fn register(self: &Arc<Self>, mut connection: Connection) -> Registered {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        connection.id = format!("{}-{number}", connection.proxy.id);
        let connection = Arc::new(connection);
        let mut open = self.lock();
        open.insert(number, connection.clone());
        metrics::connected(open.len());
        Registered {
            connections: self.clone(),
            number,
            connection,
            is_without_service: AtomicBool::new(false),
        }
    }

    fn count_without_service(&self, one_more: bool) {
        let now = if one_more {
            self.without_service.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            self.without_service.fetch_sub(1, Ordering::Relaxed) - 1
        };
        metrics::without_service(now);
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().values().cloned().collect()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.belongs_to_service(true);
        let mut open = self.connections.lock();
        open.remove(&self.number);
        metrics::connected(open.len());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use envoy_types::pb::envoy::config::core::v3::Node;
    use xds::session::TypeReport;

    use super::*;

    struct Nothing;

    impl Report for Nothing {
        fn protocol(&self) -> &'static str {
            "delta"
        }

        fn types(&self) -> Vec<TypeReport> {
            Vec::new()
        }
    }

    fn connection() -> Connection {
        let node = Node {
            id: "sidecar~10.0.0.1~a.shop~shop.svc.cluster.local".to_owned(),
            ..Node::default()
        };
        Connection {
            id: String::new(),
            proxy: Proxy::from_node(&node).unwrap(),
            cluster: None,
            version: None,
            address: None,
            identity: None,
            since: SystemTime::UNIX_EPOCH,
            report: Arc::new(Nothing),
            pushes: Pushes::default(),
        }
    }

    #[test]
    fn a_sidecar_without_a_service_counts_once_and_until_it_has_one_or_leaves() {
        let connections = Arc::new(Connections::default());
        let count = || connections.without_service.load(Ordering::Relaxed);
        let (one, other) = (
            connections.register(connection()),
            connections.register(connection()),
        );
        for sidecar in [&one, &one, &other] {
            sidecar.belongs_to_service(false);
        }
        assert_eq!(count(), 2);
        one.belongs_to_service(true);
        assert_eq!(count(), 1);
        drop((one, other));
        assert_eq!((count(), connections.all().len()), (0, 0));
    }
}
