//! The state-of-the-world protocol: a response for clusters or listeners holds all of them, so that
//! absence is removal; one for other types holds what changed, and nothing can be removed. Each
//! request repeats all names of its type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;

use super::ledger::{Ledger, Told, nonce_text};
use super::limits::{self, LimitExceeded};
use super::order::{self, Progress};
use super::{Answer, MAX_RESPONSE, Outcome, Subscription, TypeReport};
use crate::wire::{SotwResponse, delta_resource_len};
use crate::{Resource, TypeUrl, Version};

const WILDCARD: &str = "*";

#[derive(Debug, Default)]
struct TypeState {
    subscription: Subscription,
    ledger: Ledger,
    /// The latest state. For types without full state: what of it the client lacks.
    wanted: BTreeMap<Arc<str>, Arc<Resource>>,
    /// The content of the last response, for types with full state.
    sent: BTreeMap<Arc<str>, Arc<Resource>>,
    /// A response is owed, even an unchanged one.
    owed: bool,
    /// The subscription changed since the last update.
    stale: bool,
    /// A request named resources once: an empty list means none from then on.
    has_named: bool,
}

/// One client's stream.
#[derive(Debug, Default)]
pub struct Session {
    types: BTreeMap<TypeUrl, TypeState>,
    next_nonce: u64,
}

impl Session {
    /// A session to which nothing was said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a request of the given type. A request with a stale nonce is ignored whole: the client
    /// will repeat its names when it answers the response that it has yet to see.
    ///
    /// # Errors
    /// If the stream asks for more than its limits allow; nothing was changed then.
    pub fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &DiscoveryRequest,
    ) -> Result<Outcome, LimitExceeded> {
        let names = limits::shared(&request.resource_names)?;
        let others: usize = self
            .types
            .iter()
            .filter(|(other, _)| **other != type_url)
            .map(|(_, state)| state.subscription.names.len())
            .sum();
        limits::check_count(others + names.len())?;
        let first = !self.types.contains_key(&type_url);
        let state = self.types.entry(type_url).or_default();
        let error = request.error_detail.as_ref().map(|e| e.message.as_str());
        // On a new stream the nonce is one of another stream, if any.
        let answer = if first {
            Answer::None
        } else {
            state.ledger.answer(&request.response_nonce, error)
        };
        let mut resubscribed = false;
        if answer != Answer::Stale {
            resubscribed = state.subscribe(type_url, names);
            if first || request.response_nonce.is_empty() {
                state.ledger.distrust_all();
                state.owed = type_url.is_full_state();
                resubscribed |= !state.subscription.is_empty();
            }
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

    /// Gives the latest state of a type: all resources of its subscription.
    pub fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        if let Some(state) = self.types.get_mut(&type_url) {
            state.update(type_url, wanted);
        }
    }

    /// The next response to send, if any: additions in push order (what is to be removed is still
    /// in them), then the removals that may go.
    pub fn next_response(&mut self) -> Option<SotwResponse> {
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
        let chosen = adding.map(|type_url| (type_url, true)).or_else(|| {
            order::REMOVALS
                .into_iter()
                .find(|type_url| {
                    self.types
                        .get(type_url)
                        .is_some_and(|state| ready(state) && state.is_removing())
                        && order::may_remove(*type_url, |t| self.progress(t))
                })
                .map(|type_url| (type_url, false))
        });
        let (type_url, keep) = chosen?;
        self.next_nonce += 1;
        let nonce = self.next_nonce;
        let (response, renewed) = self.types.get_mut(&type_url)?.send(type_url, nonce, keep);
        if type_url == TypeUrl::Cluster
            && let Some(endpoints) = self.types.get_mut(&TypeUrl::Endpoints)
        {
            endpoints.distrust(renewed);
        }
        Some(response)
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
    /// Whether something is subscribed to that was not before, or full state lost a name.
    fn subscribe(&mut self, type_url: TypeUrl, mut names: BTreeSet<Arc<str>>) -> bool {
        let wildcard = names.remove(WILDCARD)
            || names.is_empty() && !self.has_named && type_url.has_implicit_wildcard();
        self.has_named |= !names.is_empty();
        let subscription = Subscription { wildcard, names };
        if subscription == self.subscription {
            return false;
        }
        self.subscription = subscription;
        let subscription = &self.subscription;
        self.ledger
            .forget_unless(|name| subscription.includes(name));
        self.wanted.retain(|name, _| subscription.includes(name));
        self.sent.retain(|name, _| subscription.includes(name));
        // A client that waits for its new names wants an answer even if none of them exists.
        self.owed |= type_url.is_full_state() && !self.subscription.is_empty();
        !self.subscription.is_empty()
    }

    fn distrust(&mut self, names: Vec<Arc<str>>) {
        for name in names {
            if self.subscription.includes(&name) {
                self.ledger.distrust(&name);
                self.stale = true;
            }
        }
    }

    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        self.stale = false;
        let wanted = wanted
            .iter()
            .filter(|resource| self.subscription.includes(&resource.name))
            .map(|resource| (resource.name.clone(), resource.clone()));
        if type_url.is_full_state() {
            self.wanted = wanted.collect();
            return;
        }
        let wanted: BTreeMap<_, _> = wanted.collect();
        self.ledger.forget_unless(|name| wanted.contains_key(name));
        self.wanted = wanted;
        let ledger = &self.ledger;
        self.wanted
            .retain(|name, resource| ledger.told(name) != Some(Told::Version(resource.version)));
    }

    fn is_adding(&self) -> bool {
        self.wanted
            .values()
            .any(|r| self.ledger.told(&r.name) != Some(Told::Version(r.version)))
    }

    fn is_removing(&self) -> bool {
        self.sent.keys().any(|name| !self.wanted.contains_key(name))
    }

    /// The response, and the names in it that the client held in another version.
    fn send(&mut self, type_url: TypeUrl, nonce: u64, keep: bool) -> (SotwResponse, Vec<Arc<str>>) {
        let content = if type_url.is_full_state() {
            let mut content = self.wanted.clone();
            if keep {
                for (name, resource) in &self.sent {
                    content
                        .entry(name.clone())
                        .or_insert_with(|| resource.clone());
                }
            }
            self.sent.clone_from(&content);
            content
        } else {
            self.take_chunk()
        };
        self.owed = false;
        let mut renewed = Vec::new();
        let mut sent = Vec::new();
        for resource in content.values() {
            let told = Told::Version(resource.version);
            let before = self.ledger.told(&resource.name);
            if before.is_some_and(|before| before != told) {
                renewed.push(resource.name.clone());
            }
            sent.push((resource.name.clone(), told));
        }
        if type_url.is_full_state() {
            self.ledger.forget_unless(|name| content.contains_key(name));
        }
        self.ledger.send(nonce, sent);
        let response = SotwResponse {
            type_url,
            nonce: nonce_text(nonce),
            version: version_of(content.values()),
            resources: content.into_values().collect(),
        };
        (response, renewed)
    }

    fn take_chunk(&mut self) -> BTreeMap<Arc<str>, Arc<Resource>> {
        let mut content = BTreeMap::new();
        let mut size = 0;
        for (name, resource) in std::mem::take(&mut self.wanted) {
            let added = delta_resource_len(&resource);
            if size > 0 && size + added > MAX_RESPONSE {
                self.wanted.insert(name, resource);
            } else {
                size += added;
                content.insert(name, resource);
            }
        }
        content
    }
}

/// One version for a whole response: equal content, equal version.
fn version_of<'a>(resources: impl Iterator<Item = &'a Arc<Resource>>) -> String {
    let mut versions = Vec::new();
    for resource in resources {
        versions.extend_from_slice(&resource.version.as_u64().to_be_bytes());
    }
    Version::of(&versions).to_string()
}

#[cfg(test)]
mod tests;
