//! The state-of-the-world protocol: a response for clusters or listeners holds all of them, so that
//! absence is removal; one for other types holds what changed, and nothing can be removed. Each
//! request repeats all names of its type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;

use super::ledger::{Ledger, Told, nonce_text};
use super::types::{Differences, Next, TypeState, Types};
use super::{Answer, LimitExceeded, MAX_RESPONSE, Outcome, Subscription, limits};
use crate::protocol::Protocol;
use crate::wire::{SotwResponse, delta_resource_len};
use crate::{Resource, TypeUrl, Version};

const WILDCARD: &str = "*";

/// The differences of one type.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The latest state. For types without full state: what of it the client lacks.
    wanted: BTreeMap<Arc<str>, Arc<Resource>>,
    /// The content of the last response, for types with full state.
    sent: BTreeMap<Arc<str>, Arc<Resource>>,
    /// A request named resources once: an empty list means none from then on.
    has_named: bool,
}

impl Differences for Contents {
    fn adds(&self, ledger: &Ledger) -> bool {
        self.wanted
            .values()
            .any(|r| ledger.told(&r.name) != Some(Told::Version(r.version)))
    }

    fn removes(&self) -> bool {
        self.sent.keys().any(|name| !self.wanted.contains_key(name))
    }
}

/// One client's stream.
#[derive(Debug, Default)]
pub(crate) struct Session {
    types: Types<Contents>,
}

impl Protocol for Session {
    type Request = DiscoveryRequest;
    type Response = SotwResponse;
    type Differences = Contents;
    const NAME: &'static str = "sotw";

    fn node(request: &DiscoveryRequest) -> Option<&Node> {
        request.node.as_ref().filter(|node| !node.id.is_empty())
    }

    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }

    /// A request with a stale nonce is ignored whole: the client will repeat its names when it
    /// answers the response that it has yet to see.
    fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &DiscoveryRequest,
    ) -> Result<Outcome, LimitExceeded> {
        let names = limits::shared(&request.resource_names)?;
        let name_bytes = names.iter().map(|name| name.len()).sum();
        self.types.check_names(type_url, names.len(), name_bytes)?;
        let first = !self.types.states.contains_key(&type_url);
        let state = self.types.states.entry(type_url).or_default();
        let error = request.error_detail.as_ref().map(|e| e.message.as_str());
        // On a new stream the nonce is one of another stream, if any.
        let answer = if first {
            Answer::None
        } else {
            state.ledger.answer(&request.response_nonce, error)
        };
        let mut resubscribed = false;
        if answer != Answer::Stale {
            state.name_bytes = name_bytes;
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

    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        if let Some(state) = self.types.states.get_mut(&type_url) {
            state.update(type_url, wanted);
        }
    }

    /// What is to be removed is still in the additions.
    fn next_response(&mut self) -> Option<SotwResponse> {
        let next = self.types.next(false)?;
        let (response, renewed) = self.types.states.get_mut(&next.type_url)?.send(&next);
        if next.type_url == TypeUrl::Cluster
            && let Some(endpoints) = self.types.states.get_mut(&TypeUrl::Endpoints)
        {
            endpoints.distrust(renewed);
        }
        Some(response)
    }

    fn types(&self) -> &Types<Contents> {
        &self.types
    }
}

impl TypeState<Contents> {
    /// Whether something is subscribed to that was not before, or full state lost a name.
    fn subscribe(&mut self, type_url: TypeUrl, mut names: BTreeSet<Arc<str>>) -> bool {
        let wildcard = names.remove(WILDCARD)
            || names.is_empty() && !self.differences.has_named && type_url.has_implicit_wildcard();
        self.differences.has_named |= !names.is_empty();
        let subscription = Subscription { wildcard, names };
        if subscription == self.subscription {
            return false;
        }
        self.subscription = subscription;
        let subscription = &self.subscription;
        self.ledger
            .forget_unless(|name| subscription.includes(name));
        self.differences
            .wanted
            .retain(|name, _| subscription.includes(name));
        self.differences
            .sent
            .retain(|name, _| subscription.includes(name));
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
            self.differences.wanted = wanted.collect();
            return;
        }
        let wanted: BTreeMap<_, _> = wanted.collect();
        self.ledger.forget_unless(|name| wanted.contains_key(name));
        self.differences.wanted = wanted;
        let ledger = &self.ledger;
        self.differences
            .wanted
            .retain(|name, resource| ledger.told(name) != Some(Told::Version(resource.version)));
    }

    /// The response, and the names in it that the client held in another version.
    fn send(&mut self, next: &Next) -> (SotwResponse, Vec<Arc<str>>) {
        let type_url = next.type_url;
        let content = if type_url.is_full_state() {
            let mut content = self.differences.wanted.clone();
            if !next.removing {
                for (name, resource) in &self.differences.sent {
                    content
                        .entry(name.clone())
                        .or_insert_with(|| resource.clone());
                }
            }
            self.differences.sent.clone_from(&content);
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
        self.ledger.send(next.nonce, sent);
        let response = SotwResponse {
            type_url,
            nonce: nonce_text(next.nonce),
            version: version_of(content.values()),
            resources: content.into_values().collect(),
        };
        (response, renewed)
    }

    fn take_chunk(&mut self) -> BTreeMap<Arc<str>, Arc<Resource>> {
        let mut content = BTreeMap::new();
        let mut size = 0;
        for (name, resource) in std::mem::take(&mut self.differences.wanted) {
            let added = delta_resource_len(&resource);
            if size > 0 && size + added > MAX_RESPONSE {
                self.differences.wanted.insert(name, resource);
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
