//! The resources that came, and the graph that they make.

mod clusters;
mod listeners;
pub(crate) mod references;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use graph::Graph;
use prost::Message;
use xds::TypeUrl;

use crate::assignment::{self, Assignment};
use crate::intern::Interner;
use crate::place::{Compiled, Notes, Place, Refusal};
use crate::tls::secret;
use crate::tls::settings::{Settings, Stored};
use references::Awaited;

/// Resources of one type that came or went together.
#[derive(Debug, Clone)]
pub struct Update {
    /// Their type.
    pub kind: TypeUrl,
    /// Those that came, or came anew.
    pub upserts: Vec<Upsert>,
    /// Names of those that are not there, or no more. Endpoints, routes and secrets that came stay as long as they are
    /// referred to.
    pub removals: Vec<Arc<str>>,
}

/// A resource that came.
#[derive(Debug, Clone)]
pub struct Upsert {
    /// Its name.
    pub name: Arc<str>,
    /// The encoded message: what stands in `Any.value`.
    pub body: Bytes,
}

/// What became of an update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Names of resources that are used from now on.
    pub accepted: Vec<Arc<str>>,
    /// Resources that are not; their last good versions go on.
    pub rejected: Vec<Rejection>,
    /// What is not honoured in accepted ones.
    pub warnings: Vec<Warning>,
}

/// Why a resource is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Name of the resource.
    pub name: Arc<str>,
    /// The field, what is wrong with it and what to do.
    pub message: String,
}

/// A field that is set and has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Name of the resource.
    pub name: Arc<str>,
    /// Path of the field from the resource.
    pub field: String,
    /// What is not honoured.
    pub message: String,
}

/// Compiles resources into a graph.
#[derive(Debug, Default)]
pub struct Compiler {
    names: Interner,
    clusters: clusters::Clusters,
    listeners: listeners::Listeners,
    assignments: HashMap<Arc<str>, Arc<Assignment>>,
    tables: HashMap<Arc<str>, Arc<graph::route::RouteTable>>,
    secrets: HashMap<Arc<str>, Stored>,
    resolved: HashMap<Arc<str>, Arc<[IpAddr]>>,
    /// What is not waited for any more although it has not come.
    given_up: HashSet<Awaited>,
    settings: Settings,
    building: Graph,
    published: Option<Arc<Graph>>,
}

impl Compiler {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The graph of what came so far; the same one as long as nothing changed.
    pub fn graph(&mut self) -> Arc<Graph> {
        if let Some(graph) = &self.published {
            return graph.clone();
        }
        self.building.listeners = self.listeners.shown();
        let graph = Arc::new(self.building.clone());
        self.published = Some(graph.clone());
        graph
    }

    /// Takes an update.
    pub fn apply(&mut self, update: Update) -> Outcome {
        let mut outcome = Outcome::default();
        for Upsert { name, body } in update.upserts {
            let notes = Notes::default();
            let place = Place::root(&notes);
            let taken = match update.kind {
                TypeUrl::Cluster => self.cluster(&place, &name, &body),
                TypeUrl::Endpoints => self.endpoints(&place, &name, &body),
                TypeUrl::Listener => self.listener(&place, &name, &body),
                TypeUrl::Route => self.table(&place, &name, &body),
                TypeUrl::Secret => self.secret(&place, &name, &body),
            };
            match taken {
                Err(refusal) => outcome.rejected.push(Rejection {
                    name,
                    message: refusal.to_string(),
                }),
                Ok(()) => {
                    let warning = |note: crate::place::Note| Warning {
                        name: name.clone(),
                        field: note.field,
                        message: note.message,
                    };
                    outcome
                        .warnings
                        .extend(notes.take().into_iter().map(warning));
                    outcome.accepted.push(name);
                }
            }
        }
        for name in &update.removals {
            self.remove(update.kind, name);
        }
        if !update.removals.is_empty() {
            self.are_not_there(update.kind, &update.removals);
        }
        self.settle(update.kind);
        outcome
    }

    /// What a name resolves to, for clusters found by DNS; nothing where it resolves to nothing.
    pub fn resolved(&mut self, name: &str, addresses: &[IpAddr]) {
        if self
            .resolved
            .get(name)
            .is_some_and(|known| **known == *addresses)
        {
            return;
        }
        self.resolved.insert(name.into(), addresses.into());
        self.refresh_clusters_of_name(name);
    }

    /// Stops waiting for something that has not come: what refers to it goes on without it.
    pub fn give_up(&mut self, what: &Awaited) {
        if self.given_up.insert(what.clone()) {
            self.refresh_waiting();
        }
    }

    fn endpoints(&mut self, place: &Place<'_>, name: &Arc<str>, body: &Bytes) -> Compiled<()> {
        let message: ClusterLoadAssignment = decode(place, body)?;
        named(place, "cluster_name", name, &message.cluster_name)?;
        let mut assignment = assignment::compile(place, &message, false)?;
        self.names.same.assignment(&mut assignment);
        self.assignments.insert(name.clone(), Arc::new(assignment));
        self.given_up.remove(&Awaited::Endpoints(name.clone()));
        self.refresh_clusters_of_service(name);
        Ok(())
    }

    fn table(&mut self, place: &Place<'_>, name: &Arc<str>, body: &Bytes) -> Compiled<()> {
        let table = Arc::new(crate::route::compile_encoded(
            place,
            body,
            |found| named(place, "name", name, found),
            &mut self.names,
        )?);
        let id = self.names.table(name);
        self.tables.insert(name.clone(), table.clone());
        self.given_up.remove(&Awaited::Routes(name.clone()));
        set(&mut self.building.tables, id.index(), Some(table));
        self.published = None;
        Ok(())
    }

    fn secret(&mut self, place: &Place<'_>, name: &Arc<str>, body: &Bytes) -> Compiled<()> {
        let message: Secret = decode(place, body)?;
        named(place, "name", name, &message.name)?;
        let secret = secret::compile(place, &message)?;
        if self.is_used_otherwise(name, secret.role()) {
            return Err(place.refuse("type", "is not what listeners or clusters use this secret for; send a certificate where they show one, and roots where they verify"));
        }
        let stored = Stored {
            version: hash(body),
            secret,
        };
        let before = self.secrets.insert(name.clone(), stored);
        self.given_up.remove(&Awaited::Secret(name.clone()));
        if before.is_none_or(|before| before.version != hash(body)) {
            self.refresh_users_of_secret(name);
        }
        Ok(())
    }

    fn cluster(&mut self, place: &Place<'_>, name: &Arc<str>, body: &Bytes) -> Compiled<()> {
        let message: Cluster = decode(place, body)?;
        named(place, "name", name, &message.name)?;
        let name = &self.names.name(name);
        let mut plan = crate::cluster::compile(place, &message, &mut self.names)?;
        self.names.same.plan(&mut plan);
        self.clusters.plan(name, plan);
        self.refresh_cluster(name, clusters::Changed::All);
        Ok(())
    }

    fn listener(&mut self, place: &Place<'_>, name: &Arc<str>, body: &Bytes) -> Compiled<()> {
        let message: Listener = decode(place, body)?;
        named(place, "name", name, &message.name)?;
        let plan = crate::listener::compile(place, &message, &mut self.names)?;
        self.listeners.plan(name, plan);
        self.refresh_listener(name);
        Ok(())
    }

    fn remove(&mut self, kind: TypeUrl, name: &Arc<str>) {
        match kind {
            TypeUrl::Cluster => {
                if self.clusters.remove(name) {
                    let id = self.names.cluster(name);
                    set(&mut self.building.clusters, id.index(), None);
                    self.published = None;
                }
            }
            TypeUrl::Listener => {
                if self.listeners.remove(name) {
                    self.published = None;
                }
            }
            // They are dropped with the last that refers to them.
            TypeUrl::Endpoints | TypeUrl::Route | TypeUrl::Secret => {}
        }
    }

    /// Endpoints and secrets of these names do not exist: who waits for them now goes on without, as in Envoy.
    fn are_not_there(&mut self, kind: TypeUrl, names: &[Arc<str>]) {
        let names: HashSet<&str> = names.iter().map(|name| &**name).collect();
        let awaited = self.awaiting().into_iter().map(|awaiting| awaiting.what);
        let gone: Vec<Awaited> = awaited
            .filter(|what| match (kind, what) {
                (TypeUrl::Endpoints, Awaited::Endpoints(name))
                | (TypeUrl::Secret, Awaited::Secret(name)) => names.contains(&**name),
                _ => false,
            })
            .collect();
        if !gone.is_empty() {
            self.given_up.extend(gone);
            self.refresh_waiting();
        }
    }

    /// After an update: drops what nobody refers to any more, and shows what waited for it.
    fn settle(&mut self, kind: TypeUrl) {
        match kind {
            TypeUrl::Cluster | TypeUrl::Listener => self.forget_unreferenced(kind),
            TypeUrl::Route => self.refresh_waiting(),
            TypeUrl::Endpoints | TypeUrl::Secret => {}
        }
        let (clusters, tables) = (self.names.clusters(), self.names.tables());
        if self.building.clusters.len() < clusters {
            self.building.clusters.resize(clusters, None);
            self.published = None;
        }
        if self.building.tables.len() < tables {
            self.building.tables.resize(tables, None);
            self.published = None;
        }
    }

    fn forget_unreferenced(&mut self, kind: TypeUrl) {
        let used: BTreeSet<Awaited> = self.awaited_by_all();
        if kind == TypeUrl::Cluster {
            self.assignments
                .retain(|name, _| used.contains(&Awaited::Endpoints(name.clone())));
            self.resolved
                .retain(|name, _| used.contains(&Awaited::Name(name.clone())));
        } else {
            let (names, building) = (&mut self.names, &mut self.building);
            self.tables.retain(|name, _| {
                let stays = used.contains(&Awaited::Routes(name.clone()));
                if !stays {
                    set(&mut building.tables, names.table(name).index(), None);
                }
                stays
            });
        }
        self.secrets
            .retain(|name, _| used.contains(&Awaited::Secret(name.clone())));
        self.given_up.retain(|what| used.contains(what));
    }
}

pub(crate) fn decode<M: Message + Default>(place: &Place<'_>, body: &Bytes) -> Compiled<M> {
    M::decode(body.clone()).map_err(|e| place.refuse("", format!("cannot be decoded: {e}")))
}

/// A resource must carry the name by which it is subscribed to: the next removal is by that name.
fn named(place: &Place<'_>, field: &str, outside: &str, inside: &str) -> Result<(), Refusal> {
    match outside == inside {
        true => Ok(()),
        false => Err(place.refuse(
            field,
            format!("`{inside}` is not the resource's name `{outside}`; make them equal"),
        )),
    }
}

fn hash(body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

fn set<T: Clone>(slots: &mut Vec<Option<T>>, index: usize, value: Option<T>) {
    if slots.len() <= index {
        slots.resize(index + 1, None);
    }
    if let Some(slot) = slots.get_mut(index) {
        *slot = value;
    }
}
