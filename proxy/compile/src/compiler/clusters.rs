//! Clusters between their resource and the graph.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use graph::cluster::Cluster;
use graph::endpoint::Endpoints as Compiled;

use super::references::Awaited;
use super::{Compiler, set};
use crate::cluster::{Endpoints, Plan};
use crate::tls::settings::Client;

/// A cluster's last good resource and what the graph shows of it.
#[derive(Debug)]
struct Entry {
    plan: Box<Plan>,
    shown: Option<Arc<Cluster>>,
    /// What is shown is of this plan, not of the one before it.
    current: bool,
}

/// What a cluster is made anew for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// Its resource.
    All,
    /// Its endpoints alone.
    Endpoints,
    /// A secret of its transports.
    Secrets,
}

/// All clusters by name.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    entries: HashMap<Arc<str>, Entry>,
    /// Those whose endpoints come by another name than their own.
    by_service: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// Those of which something is not there.
    waiting: BTreeSet<Arc<str>>,
}

impl Clusters {
    /// Takes the new plan of a cluster; what is shown stays until it can be built.
    pub(super) fn plan(&mut self, name: &Arc<str>, plan: Plan) {
        let shown = self.entries.remove(name).and_then(|before| {
            self.unlink(name, &before.plan);
            before.shown
        });
        if let Endpoints::Service { name: service, .. } = &plan.endpoints
            && service != name
        {
            let clusters = self.by_service.entry(service.clone()).or_default();
            clusters.push(name.clone());
        }
        let entry = Entry {
            plan: Box::new(plan),
            shown,
            current: false,
        };
        self.entries.insert(name.clone(), entry);
    }

    pub(super) fn remove(&mut self, name: &Arc<str>) -> bool {
        self.waiting.remove(name);
        let Some(entry) = self.entries.remove(name) else {
            return false;
        };
        self.unlink(name, &entry.plan);
        true
    }

    fn unlink(&mut self, name: &Arc<str>, plan: &Plan) {
        if let Endpoints::Service { name: service, .. } = &plan.endpoints {
            let empty = self.by_service.get_mut(service).is_some_and(|clusters| {
                clusters.retain(|other| other != name);
                clusters.is_empty()
            });
            if empty {
                self.by_service.remove(service);
            }
        }
    }

    /// Clusters whose endpoints come by this name.
    fn of_service(&self, service: &str) -> Vec<Arc<str>> {
        let mut names = self.by_service.get(service).cloned().unwrap_or_default();
        if let Some((name, entry)) = self.entries.get_key_value(service)
            && matches!(&entry.plan.endpoints, Endpoints::Service { name, .. } if **name == *service)
        {
            names.push(name.clone());
        }
        names
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.entries.values().map(|entry| &*entry.plan)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Plan> {
        self.waiting
            .iter()
            .filter_map(|name| Some(&*self.entries.get(name)?.plan))
    }

    pub(super) fn names_waiting(&self) -> Vec<Arc<str>> {
        self.waiting.iter().cloned().collect()
    }

    fn with(&self, wanted: impl Fn(&Awaited) -> bool) -> Vec<Arc<str>> {
        let uses =
            |(_, entry): &(&Arc<str>, &Entry)| entry.plan.awaited().any(|(what, _)| wanted(&what));
        self.entries
            .iter()
            .filter(uses)
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn with_secret(&self, secret: &str) -> Vec<Arc<str>> {
        self.with(|what| matches!(what, Awaited::Secret(name) if **name == *secret))
    }
}

impl Compiler {
    pub(super) fn refresh_clusters_of_service(&mut self, service: &str) {
        for name in self.clusters.of_service(service) {
            self.refresh_cluster(&name, Changed::Endpoints);
        }
    }

    pub(super) fn refresh_clusters_of_name(&mut self, host: &str) {
        for name in self
            .clusters
            .with(|what| matches!(what, Awaited::Name(name) if **name == *host))
        {
            self.refresh_cluster(&name, Changed::Endpoints);
        }
    }

    /// Builds a cluster into the graph, if everything that it refers to is there.
    pub(super) fn refresh_cluster(&mut self, name: &Arc<str>, changed: Changed) {
        let Some(entry) = self.clusters.entries.get(name) else {
            return;
        };
        if entry
            .plan
            .awaited()
            .any(|(what, _)| !self.is_settled(&what))
        {
            self.clusters.waiting.insert(name.clone());
            return;
        }
        self.clusters.waiting.remove(name);
        let before = entry.shown.as_deref().filter(|_| entry.current);
        let changed = if before.is_none() {
            Changed::All
        } else {
            changed
        };
        let endpoints = match (changed, before) {
            (Changed::Secrets, Some(before)) => before.endpoints.clone(),
            _ => self.hosts_of(&entry.plan, entry.shown.as_deref()),
        };
        let secrets = &self.secrets;
        let settings = &mut self.settings;
        let transports = match (changed, before) {
            (Changed::Endpoints, Some(before)) => before.transports.clone(),
            _ => entry.plan.transports(|context| {
                let of = |reference: &Option<crate::tls::context::Reference>| {
                    reference.as_ref().map(|r| secrets.get(&r.name))
                };
                let (identity, roots) = (of(&context.shared.identity), of(&context.shared.roots));
                let client = Client {
                    identity: match identity {
                        Some(identity) => Some(identity?),
                        None => None,
                    },
                    roots: match roots {
                        Some(roots) => Some(roots?),
                        None => None,
                    },
                    verify_name: context.verify_sni,
                    versions: context.shared.versions,
                };
                let shown = client.identity.map(|i| i.uri()).unwrap_or_default();
                Some((settings.client(&client).ok()?, shown))
            }),
        };
        let cluster = Arc::new(Cluster {
            endpoints,
            transports,
            ..Cluster::clone(&entry.plan.cluster)
        });
        let id = cluster.id;
        if let Some(entry) = self.clusters.entries.get_mut(name) {
            entry.shown = Some(cluster.clone());
            // They differ in what is made anew each time; both together would take twice the memory.
            entry.plan.cluster = cluster.clone();
            entry.current = true;
        }
        set(&mut self.building.clusters, id.index(), Some(cluster));
        self.published = None;
    }

    fn hosts_of(&self, plan: &Plan, before: Option<&Cluster>) -> Option<Arc<Compiled>> {
        let assignment = match &plan.endpoints {
            Endpoints::None => return Some(Arc::default()),
            Endpoints::Inline(assignment) | Endpoints::Names { assignment, .. } => assignment,
            Endpoints::Service { name, .. } => self.assignments.get(name)?,
        };
        let before = before.and_then(|b| b.endpoints.as_deref());
        let resolved = |name: &str| self.resolved.get(name).cloned();
        Some(Arc::new(plan.hosts(assignment, &resolved, before)))
    }
}
