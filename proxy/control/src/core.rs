//! What follows from what happens.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use compile::{
    Awaited, Awaiting, Compiler, Origin, Outcome, References, Resolution, Update, Upsert,
};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use graph::Graph;
use xds::TypeUrl;

use crate::packed::{Packed, Packer};
use crate::session::{ALL, Session};
use crate::view::{Initialization, View};

/// A service that streams come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The aggregated stream: the pilot, by way of the agent.
    Configuration,
    /// The agent's secret service.
    Secrets,
}

/// What is to be done after an event.
#[derive(Debug, Default)]
pub struct Effects {
    /// Requests to send, in order.
    pub requests: Vec<(Service, DeltaDiscoveryRequest)>,
}

/// Subscriptions, resources and the graph that they make.
#[derive(Debug)]
pub struct Core {
    compiler: Compiler,
    configuration: Session,
    secrets: Session,
    /// What clusters and listeners refer to.
    references: References,
    view: Arc<Mutex<View>>,
}

impl Core {
    /// One that has nothing yet and wants all clusters.
    #[must_use]
    pub fn new(node: Node) -> Self {
        let mut configuration = Session::new(node.clone());
        configuration.want(TypeUrl::Cluster, BTreeSet::from([ALL.into()]));
        Core {
            compiler: Compiler::new(),
            configuration,
            secrets: Session::new(node),
            references: References::default(),
            view: Arc::default(),
        }
    }

    /// The graph as it is now. It must not be used before the first configuration is [`Initialization::Done`]: a
    /// listener that sends to whom it likes what others would secure may be there before these.
    pub fn graph(&mut self) -> Arc<Graph> {
        self.compiler.graph()
    }

    /// How far the first configuration has come by now.
    pub fn initialization(&mut self) -> Initialization {
        let mut view = self.note();
        if view.initialization == Initialization::Done {
            return Initialization::Done;
        }
        let answered = |kind| view.counters(kind).answered();
        let reached = if !answered(TypeUrl::Cluster) || self.compiler.clusters_wait() {
            Initialization::Clusters
        } else if !answered(TypeUrl::Listener) || !self.compiler.awaiting().is_empty() {
            Initialization::Listeners
        } else {
            Initialization::Done
        };
        view.initialization = view.initialization.max(reached);
        view.initialization
    }

    /// What is held, for the admin pages; it changes with every response.
    #[must_use]
    pub fn view(&self) -> Arc<Mutex<View>> {
        self.view.clone()
    }

    fn note(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a service must be connected to.
    #[must_use]
    pub fn needs(&self, service: Service) -> bool {
        match service {
            Service::Configuration => true,
            Service::Secrets => self.secrets.wants(TypeUrl::Secret),
        }
    }

    /// What is waited for, and how long.
    #[must_use]
    pub fn awaiting(&self) -> Vec<Awaiting> {
        self.compiler.awaiting()
    }

    /// The names whose addresses are used.
    #[must_use]
    pub fn names(&self) -> &BTreeMap<Arc<str>, Resolution> {
        &self.references.names
    }

    /// A stream was opened.
    pub fn opened(&mut self, service: Service) -> Effects {
        let view = self.view.clone();
        let view = view.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = self.session(service).opened(&view);
        Effects {
            requests: requests
                .into_iter()
                .map(|request| (service, request))
                .collect(),
        }
    }

    /// A stream ended.
    pub fn closed(&mut self, service: Service) {
        self.session(service).closed();
        let kinds: &[TypeUrl] = match service {
            Service::Configuration => &[
                TypeUrl::Cluster,
                TypeUrl::Endpoints,
                TypeUrl::Listener,
                TypeUrl::Route,
            ],
            Service::Secrets => &[TypeUrl::Secret],
        };
        for kind in kinds {
            self.note().entry(*kind).counters.update_failure += 1;
        }
    }

    /// Resources that come from here, not from a stream.
    pub fn local(&mut self, update: Update) -> (Outcome, Effects) {
        let mut effects = Effects::default();
        let kind = update.kind;
        let outcome = self.compiler.apply(update);
        self.subscribe(kind, &mut effects);
        (outcome, effects)
    }

    /// The addresses of a name; nothing where it could not be resolved.
    pub fn resolved(&mut self, name: &str, addresses: &[IpAddr]) {
        self.compiler.resolved(name, addresses);
    }

    /// Something was waited for long enough.
    pub fn give_up(&mut self, what: &Awaited) {
        self.compiler.give_up(what);
    }

    /// A response came: it is compiled and answered, and what it refers to is subscribed to.
    pub fn received(
        &mut self,
        service: Service,
        response: DeltaDiscoveryResponse,
        now: SystemTime,
    ) -> Effects {
        let mut effects = Effects::default();
        let Some(kind) = TypeUrl::parse(&response.type_url) else {
            let words = format!("the type `{}` was not asked for", response.type_url);
            let nack =
                self.session(service)
                    .answer(&response.type_url, &response.nonce, Some(words));
            effects.requests.push((service, nack));
            return effects;
        };
        let nonce = response.nonce.clone();
        let (outcome, mut error) = self.take(kind, response, now);
        if !outcome.rejected.is_empty() {
            error.get_or_insert_with(|| refusal(kind, &outcome));
        }
        let mut view = self.note();
        let counters = &mut view.entry(kind).counters;
        counters.update_attempt += 1;
        counters.warnings += outcome.warnings.len() as u64;
        match &error {
            None => counters.update_success += 1,
            Some(words) => {
                counters.update_rejected += 1;
                tracing::warn!("configuration refused: {words}");
            }
        }
        drop(view);
        let answer = self.session(service).answer(kind.as_str(), &nonce, error);
        effects.requests.push((service, answer));
        self.subscribe(kind, &mut effects);
        effects
    }

    fn take(
        &mut self,
        kind: TypeUrl,
        response: DeltaDiscoveryResponse,
        now: SystemTime,
    ) -> (Outcome, Option<String>) {
        let mut came: HashMap<Arc<str>, Packed> = HashMap::with_capacity(response.resources.len());
        let mut upserts = Vec::with_capacity(response.resources.len());
        let mut error = None;
        let mut view = self.note();
        for resource in response.resources {
            let name = match view.kept(&resource.name) {
                Some(name) => name.clone(),
                None => Arc::from(resource.name),
            };
            // A resource without a body says that the one before goes on.
            let Some(any) = resource.resource else {
                continue;
            };
            if any.type_url != response.type_url {
                error = Some(format!(
                    "{name}: is a `{}` in a response of `{}`",
                    any.type_url, response.type_url
                ));
                continue;
            }
            let packed = match kind {
                // A key that is replaced must not stay as what others are packed by.
                TypeUrl::Secret => Packer::default().pack(resource.version, &any.value),
                _ => view.entry(kind).packer.pack(resource.version, &any.value),
            };
            if came.insert(name.clone(), packed).is_some() {
                error = Some(format!("{name}: stands twice in one response"));
            }
            let body = Bytes::from(any.value);
            upserts.push(Upsert { name, body });
        }
        let removals: Vec<Arc<str>> = response
            .removed_resources
            .into_iter()
            .map(Into::into)
            .collect();
        for name in &removals {
            view.entry(kind).resources.remove(name);
        }
        drop(view);
        let outcome = self.compiler.apply(Update {
            kind,
            upserts,
            removals,
        });
        let mut view = self.note();
        let view = view.entry(kind);
        for name in &outcome.accepted {
            if let Some(packed) = came.get(name) {
                view.accepted(name, packed.clone(), now);
            }
        }
        for rejection in &outcome.rejected {
            if let Some(packed) = came.get(&rejection.name) {
                view.rejected(&rejection.name, packed.clone(), &rejection.message, now);
            }
        }
        for warning in &outcome.warnings {
            tracing::warn!(
                "{} {}: {}: {}",
                kind.short(),
                warning.name,
                warning.field,
                warning.message
            );
            view.warned(&warning.name, &warning.field, &warning.message);
        }
        if outcome.rejected.is_empty() && error.is_none() {
            view.version = response.system_version_info;
        }
        (outcome, error)
    }

    /// Subscribes to what clusters and listeners refer to; listeners themselves once clusters are known.
    fn subscribe(&mut self, kind: TypeUrl, effects: &mut Effects) {
        if !matches!(kind, TypeUrl::Cluster | TypeUrl::Listener) {
            return;
        }
        self.references = self.compiler.references();
        let references = &self.references;
        let of = |wanted: Origin| -> BTreeSet<Arc<str>> {
            let those = references
                .secrets
                .iter()
                .filter(|(_, origin)| **origin == wanted);
            those.map(|(name, _)| name.clone()).collect()
        };
        let wanted = [
            (TypeUrl::Endpoints, references.endpoints.clone()),
            (TypeUrl::Listener, BTreeSet::from([ALL.into()])),
            (TypeUrl::Route, references.routes.clone()),
            (TypeUrl::Secret, of(Origin::Aggregated)),
        ];
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.entry(TypeUrl::Endpoints)
            .keep(|name| references.endpoints.contains(name));
        view.entry(TypeUrl::Route)
            .keep(|name| references.routes.contains(name));
        view.entry(TypeUrl::Secret)
            .keep(|name| references.secrets.contains_key(name));
        drop(view);
        for (kind, names) in wanted {
            if let Some(request) = self.configuration.want(kind, names) {
                effects.requests.push((Service::Configuration, request));
            }
        }
        if let Some(request) = self
            .secrets
            .want(TypeUrl::Secret, of(Origin::SecretService))
        {
            effects.requests.push((Service::Secrets, request));
        }
    }

    fn session(&mut self, service: Service) -> &mut Session {
        match service {
            Service::Configuration => &mut self.configuration,
            Service::Secrets => &mut self.secrets,
        }
    }
}

/// The words of a refusal, in the form that control planes know from Envoy.
fn refusal(kind: TypeUrl, outcome: &Outcome) -> String {
    let what = match kind {
        TypeUrl::Cluster => "cluster(s)",
        TypeUrl::Listener => "listener(s)",
        TypeUrl::Endpoints => "endpoints",
        TypeUrl::Route => "route configuration(s)",
        TypeUrl::Secret => "secret(s)",
    };
    let each: Vec<String> = outcome
        .rejected
        .iter()
        .map(|r| format!("{}: {}", r.name, r.message))
        .collect();
    format!("Error adding/updating {what} {}", each.join(", "))
}
