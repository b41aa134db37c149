//! The world at one moment, as translation sees it: immutable, indexed, and sharing what did not
//! change with the snapshot before it.

mod change;
pub(crate) mod reads;
mod registry;
mod shards;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use resources::mesh_config::MeshConfig;
use resources::object::{Object, ObjectKey};

use crate::model::config::{DestinationRule, Gateway, PeerAuthentication, VirtualService};
use crate::model::credential::Credential;
use crate::model::endpoints::{Endpoints, Slice};
use crate::model::selector::Labels;
use crate::model::service::Service;
use crate::model::workload::Workload;
use crate::model::{Locality, NamespacedName};
pub use registry::{Attributes, RegisteredPort, RegisteredService};
pub use shards::{EndpointShards, ShardEndpoint, ShardLocality, Shards};
use table::Table;

/// What differs between two snapshots.
#[derive(Debug, Clone)]
pub enum Change {
    /// The object is there and looks like this.
    Upsert(Box<Object>),
    /// The object is gone.
    Remove(ObjectKey),
    /// The mesh's configuration is this.
    Mesh(Box<MeshConfig>),
}

/// What a snapshot knows apart from objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// DNS domain of the cluster, such as `cluster.local`.
    pub domain: String,
    /// Name of the cluster that the objects are of; Istio's default is `Kubernetes`.
    pub cluster: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            domain: "cluster.local".to_owned(),
            cluster: "Kubernetes".to_owned(),
        }
    }
}

/// Objects of one index key, by namespace and name.
pub(crate) type Group<T> = BTreeMap<NamespacedName, Arc<T>>;

/// Namespaces and service accounts.
pub(crate) type Accounts = BTreeSet<(Arc<str>, String)>;

/// The world at one moment. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    settings: Arc<Settings>,
    mesh: Arc<MeshConfig>,
    nodes: Table<Arc<str>, Locality>,
    services: Table<NamespacedName, Service>,
    services_by_namespace: Table<Arc<str>, Group<Service>>,
    services_by_port: Table<u16, Group<Service>>,
    pods: Table<NamespacedName, Workload>,
    pods_by_ip: Table<IpAddr, Group<Workload>>,
    slices: Table<NamespacedName, BTreeMap<Arc<str>, Arc<Slice>>>,
    /// The service that each slice is of.
    slice_services: Table<NamespacedName, NamespacedName>,
    /// Services that have an endpoint at an address.
    services_by_ip: Table<IpAddr, BTreeSet<NamespacedName>>,
    endpoints: Table<NamespacedName, Endpoints>,
    /// Identities (SPIFFE ids without the trust domain) of the endpoints of a service.
    accounts: Table<NamespacedName, Accounts>,
    /// Selectors of calling workloads in any configuration, with how often each is used.
    caller_selectors: Arc<BTreeMap<Labels, usize>>,
    virtual_services: Table<NamespacedName, VirtualService>,
    virtual_services_by_host: Table<Arc<str>, Group<VirtualService>>,
    /// By each gateway that they name.
    virtual_services_by_gateway: Table<NamespacedName, Group<VirtualService>>,
    gateways: Table<NamespacedName, Gateway>,
    credentials: Table<NamespacedName, Credential>,
    destination_rules: Table<NamespacedName, DestinationRule>,
    destination_rules_by_host: Table<Arc<str>, Group<DestinationRule>>,
    peer_authentications: Table<NamespacedName, PeerAuthentication>,
    peer_authentications_by_namespace: Table<Arc<str>, Group<PeerAuthentication>>,
}

impl Snapshot {
    /// An empty world with Istio's default mesh configuration.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            ..Self::default()
        }
    }

    /// The world after some changes. What did not change is shared, and an object that changed in
    /// nothing that translation reads leaves everything as it was.
    #[must_use]
    pub fn with(&self, changes: &[Change]) -> Self {
        let mut next = self.clone();
        next.apply(changes);
        next
    }

    /// The mesh's configuration.
    pub fn mesh(&self) -> &MeshConfig {
        &self.mesh
    }

    /// The settings given at the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many services there are.
    pub fn service_count(&self) -> usize {
        self.services.iter().count()
    }

    /// How many pods there are.
    pub fn pod_count(&self) -> usize {
        self.pods.iter().count()
    }

    pub(crate) fn all_virtual_services(&self) -> impl Iterator<Item = &Arc<VirtualService>> {
        self.virtual_services.iter().map(|(_, o)| o)
    }

    pub(crate) fn gateway(&self, key: &NamespacedName) -> Option<&Arc<Gateway>> {
        self.gateways.get(key)
    }

    pub(crate) fn all_destination_rules(&self) -> impl Iterator<Item = &Arc<DestinationRule>> {
        self.destination_rules.iter().map(|(_, o)| o)
    }

    /// VirtualServices for exactly this host, wildcard or not.
    pub(crate) fn virtual_services_at(
        &self,
        host: &str,
    ) -> impl Iterator<Item = &Arc<VirtualService>> {
        let group = self.virtual_services_by_host.get(host);
        group.into_iter().flat_map(|group| group.values())
    }

    pub(crate) fn services_by_namespace(
        &self,
    ) -> impl Iterator<Item = (&Arc<str>, &Arc<Group<Service>>)> {
        self.services_by_namespace.iter()
    }

    pub(crate) fn pods_of(&self, namespace: &str) -> impl Iterator<Item = &Workload> {
        self.pods
            .iter()
            .filter(move |(key, _)| *key.namespace == *namespace)
            .map(|(_, pod)| &**pod)
    }

    pub(crate) fn service(&self, key: &NamespacedName) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    pub(crate) fn pod(&self, key: &NamespacedName) -> Option<&Arc<Workload>> {
        self.pods.get(key)
    }

    /// Every selector of calling workloads that any configuration uses.
    pub(crate) fn caller_selectors(&self) -> impl Iterator<Item = &Labels> {
        self.caller_selectors.keys()
    }
}
