//! The incremental (delta) protocol: each name has its own version, a response carries what changed
//! and the names of what went.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;

use super::ledger::{Ledger, Told, nonce_text};
use super::limits::{self, LimitExceeded};
use super::order::{self, Progress};
use super::{Answer, MAX_RESPONSE, Outcome, Subscription, TypeReport};
use crate::wire::{DeltaResponse, delta_resource_len};
use crate::{Resource, TypeUrl, Version};

/// The name by which a client asks for everything.
const WILDCARD: &str = "*";

/// A difference still to be sent.
#[derive(Debug, Clone)]
enum Change {
    /// The client lacks this version.
    Upsert(Arc<Resource>),
    /// The client asks for a name that does not exist and was not told so yet.
    Absent,
    /// The client holds what is no longer wanted.
    Remove,
}

#[derive(Debug, Default)]
struct TypeState {
    subscription: Subscription,
    ledger: Ledger,
    /// Differences between what the client was told and the latest state, by name.
    pending: BTreeMap<Arc<str>, Change>,
    /// A first response is owed, even an empty one.
    owed: bool,
    /// The subscription changed since the last update: `pending` does not cover it.
    stale: bool,
    /// What the outstanding response carried, for sending again.
    in_flight: Vec<Arc<Resource>>,
    /// What is sent once more, because a response was refused for another resource's sake.
    again: HashMap<Arc<str>, Change>,
    /// What was sent once more already.
    sent_again: HashMap<Arc<str>, Told>,
}

/// One client's stream.
#[derive(Debug, Default)]
pub struct Session {
    types: BTreeMap<TypeUrl, TypeState>,
    next_nonce: u64,
    /// Clusters sent before the client first asked for endpoints on this stream.
    clusters_before_endpoints: HashSet<Arc<str>>,
    /// The client brought resources of an earlier stream, and may still have to say of what types.
    introducing: bool,
}

impl Session {
    /// A session to which nothing was said.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client had time to name all its types. A client that reconnects says type by type what
    /// it holds; until it is done nothing is removed, because what it did not name yet may refer
    /// to it.
    pub fn introduced(&mut self) {
        self.introducing = false;
    }

    /// Takes a request of the given type. The caller gives the type's resources with
    /// [`Session::update`] if the outcome says that it was resubscribed.
    ///
    /// # Errors
    /// If the stream asks for more than its limits allow; nothing was changed then.
    pub fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &DeltaDiscoveryRequest,
    ) -> Result<Outcome, LimitExceeded> {
        let subscribe = limits::shared(&request.resource_names_subscribe)?;
        let held: usize = self
            .types
            .values()
            .map(|t| t.subscription.names.len())
            .sum();
        limits::check_count(held + subscribe.len())?;
        for name in request.initial_resource_versions.keys() {
            limits::check_name(name)?;
        }
        let first = !self.types.contains_key(&type_url);
        let state = self.types.entry(type_url).or_default();
        let error = request.error_detail.as_ref().map(|e| e.message.as_str());
        let answer = state.ledger.answer(&request.response_nonce, error);
        state.after(&answer);
        let mut resubscribed = state.unsubscribe(&request.resource_names_unsubscribe);
        for name in subscribe {
            resubscribed = true;
            state.subscribe(name);
        }
        if first {
            let legacy =
                request.resource_names_subscribe.is_empty() && type_url.has_implicit_wildcard();
            state.subscription.wildcard |= legacy;
            state.bring(&request.initial_resource_versions);
            self.introducing |=
                self.next_nonce == 0 && !request.initial_resource_versions.is_empty();
            if type_url == TypeUrl::Endpoints {
                // The client may have said what it holds before it saw those clusters.
                for name in self.clusters_before_endpoints.drain() {
                    state.ledger.distrust(&name);
                }
            }
            state.owed =
                state.subscription.wildcard && request.initial_resource_versions.is_empty();
            resubscribed |= !state.subscription.is_empty();
        }
        state.stale |= resubscribed;
        Ok(Outcome {
            type_url,
            answer,
            resubscribed,
        })
    }

    /// The types that are subscribed to, in push order.
    pub fn subscriptions(&self) -> impl Iterator<Item = (TypeUrl, &Subscription)> {
        self.types
            .iter()
            .filter(|(_, state)| !state.subscription.is_empty())
            .map(|(type_url, state)| (*type_url, &state.subscription))
    }

    /// The subscription of one type.
    pub fn subscription(&self, type_url: TypeUrl) -> Option<&Subscription> {
        self.types.get(&type_url).map(|state| &state.subscription)
    }

    /// The types whose resources must be given again before anything of them is sent.
    pub fn stale(&self) -> Vec<TypeUrl> {
        self.types
            .iter()
            .filter(|(_, state)| state.stale)
            .map(|(type_url, _)| *type_url)
            .collect()
    }

    /// Gives the latest state of a type: all resources of its subscription. What an earlier update
    /// left unsent is replaced.
    pub fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        if let Some(state) = self.types.get_mut(&type_url) {
            state.update(wanted);
        }
    }

    /// The next response to send, if any: additions in push order, then the removals that may go.
    pub fn next_response(&mut self) -> Option<DeltaResponse> {
        let ready = |state: &TypeState| !state.ledger.is_outstanding() && !state.stale;
        let adding = self
            .types
            .iter()
            .find(|(type_url, state)| {
                ready(state)
                    && (state.owed || state.is_adding())
                    && order::may_add(**type_url, |t| self.progress(t))
            })
            .map(|(type_url, _)| *type_url);
        let chosen = adding.map(|type_url| (type_url, false)).or_else(|| {
            order::REMOVALS
                .into_iter()
                .filter(|_| !self.introducing)
                .find(|type_url| {
                    self.types
                        .get(type_url)
                        .is_some_and(|state| ready(state) && state.is_removing())
                        && order::may_remove(*type_url, |t| self.progress(t))
                })
                .map(|type_url| (type_url, true))
        });
        let (type_url, removing) = chosen?;
        self.next_nonce += 1;
        let nonce = self.next_nonce;
        let (response, renewed) = self
            .types
            .get_mut(&type_url)?
            .send(type_url, nonce, removing);
        if type_url == TypeUrl::Cluster {
            self.renew_endpoints(&response, renewed);
        }
        Some(response)
    }

    /// A client that gets a new form of a cluster warms it up and waits for its endpoints, even
    /// if it was sent the same endpoints for the old form: they are sent again. Clusters and
    /// their endpoints have one name.
    fn renew_endpoints(&mut self, response: &DeltaResponse, renewed: Vec<Arc<str>>) {
        match self.types.get_mut(&TypeUrl::Endpoints) {
            Some(endpoints) => {
                for name in renewed {
                    if endpoints.subscription.includes(&name) {
                        endpoints.ledger.distrust(&name);
                        endpoints.stale = true;
                    }
                }
            }
            None => {
                for name in &response.removed {
                    self.clusters_before_endpoints.remove(name);
                }
                let sent = response.resources.iter().map(|r| r.name.clone());
                self.clusters_before_endpoints.extend(sent);
            }
        }
    }

    /// What the client holds, per type.
    pub fn report(&self) -> Vec<TypeReport> {
        self.types
            .iter()
            .map(|(type_url, state)| state.ledger.report(*type_url, &state.subscription))
            .collect()
    }

    fn progress(&self, type_url: TypeUrl) -> Progress {
        self.types
            .get(&type_url)
            .map_or(Progress::default(), |state| Progress {
                busy: state.ledger.is_outstanding() || state.stale || state.is_adding(),
                refused: state.ledger.has_refused(),
                removing: state.is_removing(),
            })
    }
}

impl TypeState {
    fn subscribe(&mut self, name: Arc<str>) {
        if &*name == WILDCARD {
            if self.subscription.wildcard {
                self.ledger.distrust_all();
            }
            self.subscription.wildcard = true;
            self.owed = true;
        } else {
            self.ledger.distrust(&name);
            self.subscription.names.insert(name);
        }
    }

    /// Whether what remains subscribed must be looked at again.
    fn unsubscribe(&mut self, names: &[String]) -> bool {
        let mut lost = false;
        for name in names {
            if name == WILDCARD {
                lost |= std::mem::take(&mut self.subscription.wildcard);
            } else if self.subscription.names.remove(name.as_str()) {
                lost = true;
                // Under a wildcard the client must hear whether it still gets the resource.
                self.ledger.distrust(name);
            }
        }
        if lost {
            let subscription = &self.subscription;
            self.ledger
                .forget_unless(|name| subscription.includes(name));
            self.pending.retain(|name, _| subscription.includes(name));
            self.again.retain(|name, _| subscription.includes(name));
            self.sent_again
                .retain(|name, _| subscription.includes(name));
        }
        lost && !self.subscription.is_empty()
    }

    /// A client that reconnects says which versions it holds.
    fn bring(&mut self, versions: &HashMap<String, String>) {
        for (name, version) in versions {
            if self.subscription.includes(name) {
                let told = Version::parse(version).map_or(Told::Foreign, Told::Version);
                self.ledger.brought(Arc::from(name.as_str()), told);
            }
        }
    }

    fn after(&mut self, answer: &Answer) {
        match answer {
            Answer::None | Answer::Stale => return,
            Answer::Acked => {
                for resource in &self.in_flight {
                    self.sent_again.remove(&resource.name);
                }
            }
            Answer::Nacked { rejected, .. } if !rejected.is_empty() => self.send_again(),
            Answer::Nacked { .. } => {}
        }
        self.in_flight.clear();
        let names = &self.subscription.names;
        let again = &self.again;
        self.ledger
            .settle(|name| names.contains(name) || again.contains_key(name));
        let ledger = &self.ledger;
        self.sent_again
            .retain(|name, _| ledger.told(name).is_some());
    }

    /// What was refused only for another's sake is sent once more, without the other.
    fn send_again(&mut self) {
        for (name, told) in self.ledger.in_doubt() {
            if self.sent_again.get(name) == Some(&told) || self.pending.contains_key(name) {
                continue;
            }
            let change = match told {
                Told::Absent if self.subscription.names.contains(name) => Change::Absent,
                Told::Absent => Change::Remove,
                Told::Foreign => continue,
                Told::Version(version) => {
                    let carried = |r: &&Arc<Resource>| r.name == *name && r.version == version;
                    match self.in_flight.iter().find(carried) {
                        Some(resource) => Change::Upsert(resource.clone()),
                        None => continue,
                    }
                }
            };
            self.sent_again.insert(name.clone(), told);
            self.again.insert(name.clone(), change.clone());
            self.pending.insert(name.clone(), change);
        }
    }

    fn update(&mut self, wanted: &[Arc<Resource>]) {
        self.stale = false;
        let wanted: HashMap<&str, &Arc<Resource>> = wanted
            .iter()
            .filter(|resource| self.subscription.includes(&resource.name))
            .map(|resource| (&*resource.name, resource))
            .collect();
        let mut pending = BTreeMap::new();
        for resource in wanted.values() {
            let known = self.ledger.told(&resource.name) == Some(Told::Version(resource.version));
            if !known || self.again.contains_key(&resource.name) {
                pending.insert(resource.name.clone(), Change::Upsert((*resource).clone()));
            }
        }
        for (name, told) in self.ledger.names() {
            let again = self.again.contains_key(name);
            if !wanted.contains_key(&**name) && (told != Told::Absent || again) {
                pending.insert(name.clone(), Change::Remove);
            }
        }
        for name in &self.subscription.names {
            if !wanted.contains_key(&**name) && self.ledger.told(name).is_none() {
                pending.insert(name.clone(), Change::Absent);
            }
        }
        self.pending = pending;
    }

    fn is_adding(&self) -> bool {
        self.pending
            .values()
            .any(|change| !matches!(change, Change::Remove))
    }

    fn is_removing(&self) -> bool {
        self.pending
            .values()
            .any(|change| matches!(change, Change::Remove))
    }

    /// The response, and the names in it that the client held in another version.
    fn send(
        &mut self,
        type_url: TypeUrl,
        nonce: u64,
        removing: bool,
    ) -> (DeltaResponse, Vec<Arc<str>>) {
        let mut renewed = Vec::new();
        let mut response = DeltaResponse {
            type_url,
            nonce: nonce_text(nonce),
            resources: Vec::new(),
            removed: Vec::new(),
        };
        let mut sent = Vec::new();
        let mut size = 0;
        for (name, change) in std::mem::take(&mut self.pending) {
            let of_this_kind = matches!(change, Change::Remove) == removing;
            let added = match &change {
                Change::Upsert(resource) => delta_resource_len(resource),
                Change::Absent | Change::Remove => name.len(),
            };
            if !of_this_kind || (size > 0 && size + added > MAX_RESPONSE) {
                self.pending.insert(name, change);
                continue;
            }
            size += added;
            self.again.remove(&name);
            match change {
                Change::Upsert(resource) => {
                    if matches!(
                        self.ledger.told(&name),
                        Some(Told::Version(_) | Told::Foreign)
                    ) {
                        renewed.push(name.clone());
                    }
                    sent.push((name, Told::Version(resource.version)));
                    response.resources.push(resource);
                }
                Change::Absent | Change::Remove => {
                    sent.push((name.clone(), Told::Absent));
                    response.removed.push(name);
                }
            }
        }
        self.owed = false;
        self.in_flight.clone_from(&response.resources);
        self.ledger.send(nonce, sent);
        (response, renewed)
    }
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;
