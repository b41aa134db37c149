//! What resources refer to: what must be subscribed to, and what is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Compiler, listeners};
use crate::assignment::Whereabouts;
use crate::cluster::{self, Endpoints};
use crate::listener;
use crate::tls::context::{Reference, Role};

/// Something that another resource refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Awaited {
    /// A `ClusterLoadAssignment` by its name.
    Endpoints(Arc<str>),
    /// A `RouteConfiguration` by its name.
    Routes(Arc<str>),
    /// A `Secret` by its name.
    Secret(Arc<str>),
    /// The addresses of a host's name.
    Name(Arc<str>),
}

/// Something that a cluster or listener waits for before it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaiting {
    /// What.
    pub what: Awaited,
    /// How long to wait from the moment that it was first asked for (`initial_fetch_timeout`); `None`: for ever.
    pub patience: Option<Duration>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The aggregated stream.
    Aggregated,
    /// The agent's secret service.
    SecretService,
}

/// How the addresses of a name are kept fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// How often they are asked for (`dns_refresh_rate`).
    pub refresh: Duration,
    /// The answer's time to live is used in place of that (`respect_dns_ttl`).
    pub respect_ttl: bool,
}

/// All that is referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Names of `ClusterLoadAssignment`s.
    pub endpoints: BTreeSet<Arc<str>>,
    /// Names of `RouteConfiguration`s.
    pub routes: BTreeSet<Arc<str>>,
    /// Names of `Secret`s.
    pub secrets: BTreeMap<Arc<str>, Origin>,
    /// Names of hosts.
    pub names: BTreeMap<Arc<str>, Resolution>,
}

impl cluster::Plan {
    /// What must be there before the cluster can be used; zero: it is waited for without end.
    pub(super) fn awaited(&self) -> impl Iterator<Item = (Awaited, Duration)> {
        let service = match &self.endpoints {
            Endpoints::Service { name, patience } => {
                Some((Awaited::Endpoints(name.clone()), *patience))
            }
            Endpoints::None | Endpoints::Inline(_) | Endpoints::Names { .. } => None,
        };
        let names = self
            .names()
            .map(|(name, _)| (Awaited::Name(name.clone()), Duration::ZERO));
        service
            .into_iter()
            .chain(names)
            .chain(secrets(self.secrets()))
    }

    fn names(&self) -> impl Iterator<Item = (&Arc<str>, Resolution)> {
        let found = match &self.endpoints {
            Endpoints::Names {
                assignment,
                resolving,
                ..
            } => Some((assignment, resolving)),
            Endpoints::None | Endpoints::Inline(_) | Endpoints::Service { .. } => None,
        };
        found.into_iter().flat_map(|(assignment, resolving)| {
            let resolution = Resolution {
                refresh: resolving.refresh,
                respect_ttl: resolving.respect_ttl,
            };
            let hosts = assignment.localities.iter().flat_map(|l| &l.hosts);
            hosts.filter_map(move |host| match &host.place {
                Whereabouts::Name(name, _) => Some((name, resolution)),
                Whereabouts::At(_) => None,
            })
        })
    }
}

impl listener::Plan {
    /// What must be there before the listener can be used; zero: it is waited for without end.
    pub(super) fn awaited(&self) -> impl Iterator<Item = (Awaited, Duration)> {
        listeners::routes(self).chain(secrets(self.secrets()))
    }
}

fn secrets<'a>(
    references: impl Iterator<Item = &'a Reference>,
) -> impl Iterator<Item = (Awaited, Duration)> {
    references.map(|r| (Awaited::Secret(r.name.clone()), r.source.patience))
}

impl Compiler {
    /// All that clusters and listeners refer to. It changes with those two types alone.
    #[must_use]
    pub fn references(&self) -> References {
        let mut all = References::default();
        let mut secret = |reference: &Reference| {
            let origin = match reference.source.aggregated {
                true => Origin::Aggregated,
                false => Origin::SecretService,
            };
            all.secrets.insert(reference.name.clone(), origin);
        };
        for plan in self.clusters.plans() {
            plan.secrets().for_each(&mut secret);
        }
        for plan in self.listeners.plans() {
            plan.secrets().for_each(&mut secret);
            all.routes.extend(plan.routes.keys().cloned());
        }
        for plan in self.clusters.plans() {
            if let Endpoints::Service { name, .. } = &plan.endpoints {
                all.endpoints.insert(name.clone());
            }
            for (name, resolution) in plan.names() {
                let kept = all.names.entry(name.clone()).or_insert(resolution);
                kept.refresh = kept.refresh.min(resolution.refresh);
                kept.respect_ttl &= resolution.respect_ttl;
            }
        }
        all
    }

    /// What clusters and listeners wait for now.
    #[must_use]
    pub fn awaiting(&self) -> Vec<Awaiting> {
        let listeners = self.listeners.waiting().flat_map(listener::Plan::awaited);
        let missing: BTreeMap<Awaited, Duration> = self
            .awaited_by_clusters()
            .chain(listeners)
            .filter(|(what, _)| !self.is_settled(what))
            .collect();
        let awaiting = |(what, patience): (Awaited, Duration)| Awaiting {
            what,
            patience: (!patience.is_zero()).then_some(patience),
        };
        missing.into_iter().map(awaiting).collect()
    }

    /// Whether a cluster waits for something.
    #[must_use]
    pub fn clusters_wait(&self) -> bool {
        self.awaited_by_clusters()
            .any(|(what, _)| !self.is_settled(&what))
    }

    fn awaited_by_clusters(&self) -> impl Iterator<Item = (Awaited, Duration)> {
        self.clusters.waiting().flat_map(cluster::Plan::awaited)
    }

    /// Whether something is there, or not waited for any more.
    pub(super) fn is_settled(&self, what: &Awaited) -> bool {
        let there = match what {
            Awaited::Endpoints(name) => self.assignments.contains_key(name),
            Awaited::Routes(name) => self.tables.contains_key(name),
            Awaited::Secret(name) => self.secrets.contains_key(name),
            Awaited::Name(name) => self.resolved.contains_key(name),
        };
        there || self.given_up.contains(what)
    }

    /// Whether something uses a secret in another role than this.
    pub(super) fn is_used_otherwise(&self, name: &str, role: Role) -> bool {
        let clusters = self.clusters.plans().flat_map(cluster::Plan::secrets);
        let listeners = self.listeners.plans().flat_map(listener::Plan::secrets);
        clusters
            .chain(listeners)
            .any(|r| *r.name == *name && r.role != role)
    }

    pub(super) fn awaited_by_all(&self) -> BTreeSet<Awaited> {
        let clusters = self.clusters.plans().flat_map(cluster::Plan::awaited);
        let listeners = self.listeners.plans().flat_map(listener::Plan::awaited);
        clusters.chain(listeners).map(|(what, _)| what).collect()
    }
}
