//! The only way from translation to the snapshot: queries that remember what they answered, so
//! that a result is known to hold for as long as every answer stays the same.

use std::any::Any;
use std::sync::Arc;

use resources::mesh_config::MeshConfig;

use super::{Accounts, Group, Settings, Snapshot};
use crate::model::config::{DestinationRule, Gateway, PeerAuthentication, VirtualService};
use crate::model::credential::Credential;
use crate::model::endpoints::Endpoints;
use crate::model::service::Service;
use crate::model::{NamespacedName, host};

/// A question that translation may ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Query {
    Mesh,
    AllServices,
    Service(NamespacedName),
    ServicesOfNamespace(Arc<str>),
    ServicesOnPort(u16),
    Endpoints(NamespacedName),
    Accounts(NamespacedName),
    VirtualServices(Arc<str>),
    VirtualServicesOfGateway(NamespacedName),
    Gateways,
    Credential(NamespacedName),
    DestinationRules(Arc<str>),
    PeerAuthentications(Arc<str>),
}

/// An answer by its identity. Holding it keeps its address from being used again.
type Answer = Option<Arc<dyn Any + Send + Sync>>;

fn erase<T: Any + Send + Sync>(answer: Option<&Arc<T>>) -> Answer {
    answer.map(|a| Arc::clone(a) as Arc<dyn Any + Send + Sync>)
}

fn same(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::as_ptr(a).cast::<()>() == Arc::as_ptr(b).cast::<()>(),
        _ => false,
    }
}

impl Query {
    fn answer(&self, snapshot: &Snapshot) -> Answer {
        match self {
            Query::Mesh => erase(Some(&snapshot.mesh)),
            Query::AllServices => Some(snapshot.services.identity()),
            Query::Service(key) => erase(snapshot.services.get(key)),
            Query::ServicesOfNamespace(ns) => erase(snapshot.services_by_namespace.get(ns)),
            Query::ServicesOnPort(port) => erase(snapshot.services_by_port.get(port)),
            Query::Endpoints(key) => erase(snapshot.endpoints.get(key)),
            Query::Accounts(key) => erase(snapshot.accounts.get(key)),
            Query::VirtualServices(host) => erase(snapshot.virtual_services_by_host.get(host)),
            Query::VirtualServicesOfGateway(gateway) => {
                erase(snapshot.virtual_services_by_gateway.get(gateway))
            }
            Query::Gateways => Some(snapshot.gateways.identity()),
            Query::Credential(key) => erase(snapshot.credentials.get(key)),
            Query::DestinationRules(host) => erase(snapshot.destination_rules_by_host.get(host)),
            Query::PeerAuthentications(ns) => {
                erase(snapshot.peer_authentications_by_namespace.get(ns))
            }
        }
    }

    /// The identity of the whole table behind the question: as long as it stays, so does every
    /// answer from it.
    fn table(&self, snapshot: &Snapshot) -> (u8, Answer) {
        match self {
            Query::Mesh => (0, erase(Some(&snapshot.mesh))),
            Query::AllServices | Query::Service(_) => (1, Some(snapshot.services.identity())),
            Query::ServicesOfNamespace(_) => (2, Some(snapshot.services_by_namespace.identity())),
            Query::ServicesOnPort(_) => (3, Some(snapshot.services_by_port.identity())),
            Query::Endpoints(_) => (6, Some(snapshot.endpoints.identity())),
            Query::Accounts(_) => (7, Some(snapshot.accounts.identity())),
            Query::VirtualServices(_) => (8, Some(snapshot.virtual_services_by_host.identity())),
            Query::VirtualServicesOfGateway(_) => {
                (11, Some(snapshot.virtual_services_by_gateway.identity()))
            }
            Query::Gateways => (12, Some(snapshot.gateways.identity())),
            Query::Credential(_) => (13, Some(snapshot.credentials.identity())),
            Query::DestinationRules(_) => (9, Some(snapshot.destination_rules_by_host.identity())),
            Query::PeerAuthentications(_) => (
                10,
                Some(snapshot.peer_authentications_by_namespace.identity()),
            ),
        }
    }
}

/// What a translation read, with the answers it got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    answers: Vec<(Query, Answer)>,
}

impl Seen {
    /// Whether another snapshot gives the same answers.
    pub(crate) fn holds_in(&self, snapshot: &Snapshot) -> bool {
        self.answers
            .iter()
            .all(|(query, answer)| same(&query.answer(snapshot), answer))
    }

    /// About how many bytes this takes; what the answers hold is the snapshot's.
    pub(crate) fn size(&self) -> usize {
        self.answers.len() * size_of::<(Query, Answer)>()
    }

    /// The tables that were read.
    pub(crate) fn add_tables(&self, snapshot: &Snapshot, tables: &mut Tables) {
        for (query, _) in &self.answers {
            let (number, _) = query.table(snapshot);
            if !tables.read.iter().any(|(n, ..)| *n == number) {
                tables
                    .read
                    .push((number, query.clone(), query.table(snapshot).1));
            }
        }
    }
}

/// The tables that many translations read: while they stay the same, so does every result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    read: Vec<(u8, Query, Answer)>,
}

impl Tables {
    /// Whether another snapshot has the same tables.
    pub(crate) fn hold_in(&self, snapshot: &Snapshot) -> bool {
        self.read
            .iter()
            .all(|(_, query, answer)| same(&query.table(snapshot).1, answer))
    }
}

/// Access to a snapshot that records what is read.
#[derive(Debug)]
pub(crate) struct Reads<'a> {
    snapshot: &'a Snapshot,
    seen: Seen,
}

impl<'a> Reads<'a> {
    /// Starts recording.
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            seen: Seen::default(),
        }
    }

    pub(crate) fn into_seen(self) -> Seen {
        self.seen
    }

    fn record(&mut self, query: Query) {
        if !self
            .seen
            .answers
            .iter()
            .rev()
            .take(32)
            .any(|(q, _)| *q == query)
        {
            let answer = query.answer(self.snapshot);
            self.seen.answers.push((query, answer));
        }
    }

    /// The settings do not change over the life of a snapshot's line.
    pub(crate) fn settings(&self) -> &'a Settings {
        &self.snapshot.settings
    }

    pub(crate) fn mesh(&mut self) -> &'a MeshConfig {
        self.record(Query::Mesh);
        &self.snapshot.mesh
    }

    /// All services, sorted by namespace and name.
    pub(crate) fn services(&mut self) -> Vec<&'a Arc<Service>> {
        self.record(Query::AllServices);
        let mut all: Vec<_> = self.snapshot.services.iter().map(|(_, s)| s).collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    pub(crate) fn service(&mut self, key: &NamespacedName) -> Option<&'a Arc<Service>> {
        self.record(Query::Service(key.clone()));
        self.snapshot.services.get(key)
    }

    /// The service that a full host name stands for.
    pub(crate) fn service_at(&mut self, host: &str) -> Option<&'a Arc<Service>> {
        let key = host::service_of(host, &self.snapshot.settings.domain)?;
        self.service(&key)
    }

    pub(crate) fn services_of(&mut self, namespace: &Arc<str>) -> Option<&'a Arc<Group<Service>>> {
        self.record(Query::ServicesOfNamespace(Arc::clone(namespace)));
        self.snapshot.services_by_namespace.get(namespace)
    }

    pub(crate) fn services_on(&mut self, port: u16) -> Option<&'a Arc<Group<Service>>> {
        self.record(Query::ServicesOnPort(port));
        self.snapshot.services_by_port.get(&port)
    }

    pub(crate) fn endpoints(&mut self, service: &NamespacedName) -> Option<&'a Arc<Endpoints>> {
        self.record(Query::Endpoints(service.clone()));
        self.snapshot.endpoints.get(service)
    }

    pub(crate) fn accounts(&mut self, service: &NamespacedName) -> Option<&'a Arc<Accounts>> {
        self.record(Query::Accounts(service.clone()));
        self.snapshot.accounts.get(service)
    }

    /// VirtualServices for a host, those with the most specific matching name, oldest first.
    pub(crate) fn virtual_services(&mut self, host: &str) -> Vec<&'a Arc<VirtualService>> {
        for pattern in host::patterns(host) {
            let pattern: Arc<str> = pattern.into();
            self.record(Query::VirtualServices(Arc::clone(&pattern)));
            if let Some(group) = self.snapshot.virtual_services_by_host.get(&pattern) {
                let mut found: Vec<_> = group.values().collect();
                found.sort_by(|a, b| a.age().cmp(&b.age()));
                return found;
            }
        }
        Vec::new()
    }

    /// VirtualServices that name a gateway, oldest first.
    pub(crate) fn virtual_services_of(
        &mut self,
        gateway: &NamespacedName,
    ) -> Vec<&'a Arc<VirtualService>> {
        self.record(Query::VirtualServicesOfGateway(gateway.clone()));
        let group = self.snapshot.virtual_services_by_gateway.get(gateway);
        let mut found: Vec<_> = group.into_iter().flat_map(|g| g.values()).collect();
        found.sort_by(|a, b| a.age().cmp(&b.age()));
        found
    }

    pub(crate) fn credential(&mut self, key: &NamespacedName) -> Option<&'a Arc<Credential>> {
        self.record(Query::Credential(key.clone()));
        self.snapshot.credentials.get(key)
    }

    /// All gateways, oldest first.
    pub(crate) fn gateways(&mut self) -> Vec<&'a Arc<Gateway>> {
        self.record(Query::Gateways);
        let mut all: Vec<_> = self.snapshot.gateways.iter().map(|(_, g)| g).collect();
        all.sort_by(|a, b| a.age().cmp(&b.age()));
        all
    }

    /// DestinationRules for a host, those with the most specific matching name, oldest first.
    pub(crate) fn destination_rules(&mut self, host: &str) -> Vec<&'a Arc<DestinationRule>> {
        for pattern in host::patterns(host) {
            let pattern: Arc<str> = pattern.into();
            self.record(Query::DestinationRules(Arc::clone(&pattern)));
            if let Some(group) = self.snapshot.destination_rules_by_host.get(&pattern) {
                let mut found: Vec<_> = group.values().collect();
                found.sort_by(|a, b| a.age().cmp(&b.age()));
                return found;
            }
        }
        Vec::new()
    }

    /// PeerAuthentications of a namespace, oldest first.
    pub(crate) fn peer_authentications(
        &mut self,
        namespace: &str,
    ) -> Vec<&'a Arc<PeerAuthentication>> {
        let namespace: Arc<str> = namespace.into();
        self.record(Query::PeerAuthentications(Arc::clone(&namespace)));
        let mut found: Vec<_> = self
            .snapshot
            .peer_authentications_by_namespace
            .get(&namespace)
            .into_iter()
            .flat_map(|g| g.values())
            .collect();
        found.sort_by(|a, b| a.age().cmp(&b.age()));
        found
    }
}
