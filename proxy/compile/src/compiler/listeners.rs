//! Listeners between their resource and the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use graph::listener::Listener;

use super::Compiler;
use super::references::Awaited;
use crate::listener::{Built, Plan, Served};
use crate::tls::settings::Server;

/// A listener's last good resource and what the graph shows of it.
#[derive(Debug)]
struct Entry {
    plan: Plan,
    shown: Option<Arc<Listener>>,
    built: Vec<Built>,
}

/// All listeners by name.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    entries: BTreeMap<Arc<str>, Entry>,
    /// Those of which something is not there.
    waiting: BTreeSet<Arc<str>>,
}

impl Listeners {
    /// Takes the new plan of a listener; what is shown stays until it can be built.
    pub(super) fn plan(&mut self, name: &Arc<str>, plan: Plan) {
        let (shown, built) = match self.entries.remove(name) {
            Some(before) => (before.shown, before.built),
            None => (None, Vec::new()),
        };
        let entry = Entry { plan, shown, built };
        self.entries.insert(name.clone(), entry);
    }

    pub(super) fn remove(&mut self, name: &Arc<str>) -> bool {
        self.waiting.remove(name);
        self.entries.remove(name).is_some()
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.entries.values().map(|entry| &entry.plan)
    }

    pub(super) fn shown(&self) -> Vec<Arc<Listener>> {
        self.entries
            .values()
            .filter_map(|entry| entry.shown.clone())
            .collect()
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Plan> {
        self.waiting
            .iter()
            .filter_map(|name| Some(&self.entries.get(name)?.plan))
    }

    pub(super) fn names_waiting(&self) -> Vec<Arc<str>> {
        self.waiting.iter().cloned().collect()
    }

    pub(super) fn with_secret(&self, secret: &str) -> Vec<Arc<str>> {
        let uses = |entry: &Entry| entry.plan.secrets().any(|r| *r.name == *secret);
        let named = self.entries.iter().filter(|(_, entry)| uses(entry));
        named.map(|(name, _)| name.clone()).collect()
    }
}

impl Compiler {
    /// Builds a listener into the graph, if everything that it refers to is there.
    pub(super) fn refresh_listener(&mut self, name: &Arc<str>) {
        let Some(entry) = self.listeners.entries.get(name) else {
            return;
        };
        if entry
            .plan
            .awaited()
            .any(|(what, _)| !self.is_settled(&what))
        {
            self.listeners.waiting.insert(name.clone());
            return;
        }
        self.listeners.waiting.remove(name);
        let secrets = &self.secrets;
        let settings = &mut self.settings;
        let (listener, built) = entry.plan.build(
            |context| {
                let shared = &context.shared;
                let roots = match &shared.roots {
                    Some(reference) => Some(secrets.get(&reference.name)?),
                    None => None,
                };
                let identity = secrets.get(&shared.identity.as_ref()?.name)?;
                let others = shared.others.iter().map(|r| secrets.get(&r.name));
                let identities = std::iter::once(Some(identity)).chain(others);
                let identities: Vec<_> = identities.collect::<Option<_>>()?;
                let server = Server {
                    identities: identities.clone(),
                    roots,
                    required: context.require_client_certificate,
                    alpn: &shared.alpn,
                    versions: shared.versions,
                };
                let config = settings.server(&server).ok()?;
                let none = Arc::default();
                let without_alpn = match shared.alpn.is_empty() {
                    true => None,
                    false => Some(
                        settings
                            .server(&Server {
                                alpn: &none,
                                identities,
                                ..server
                            })
                            .ok()?,
                    ),
                };
                Some(Served {
                    config,
                    without_alpn,
                    local_uri: identity.uri(),
                })
            },
            &entry.built,
        );
        if let Some(entry) = self.listeners.entries.get_mut(name) {
            entry.shown = Some(Arc::new(listener));
            entry.built = built;
        }
        self.published = None;
    }

    pub(super) fn refresh_users_of_secret(&mut self, secret: &str) {
        for name in self.clusters.with_secret(secret) {
            self.refresh_cluster(&name, super::clusters::Changed::Secrets);
        }
        for name in self.listeners.with_secret(secret) {
            self.refresh_listener(&name);
        }
    }

    pub(super) fn refresh_waiting(&mut self) {
        for name in self.clusters.names_waiting() {
            self.refresh_cluster(&name, super::clusters::Changed::All);
        }
        for name in self.listeners.names_waiting() {
            self.refresh_listener(&name);
        }
    }
}

/// What a listener refers to.
pub(super) fn routes(plan: &Plan) -> impl Iterator<Item = (Awaited, std::time::Duration)> {
    plan.routes
        .iter()
        .map(|(name, patience)| (Awaited::Routes(name.clone()), *patience))
}
