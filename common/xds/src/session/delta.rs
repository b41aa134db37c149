//! The incremental (delta) protocol: each name has its own version, a response carries what changed
//! and the names of what went.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;

use super::ledger::{Ledger, Told, nonce_text};
use super::types::{Differences, Next, TypeState, Types};
use super::{Answer, LimitExceeded, MAX_RESPONSE, Outcome, limits};
use crate::protocol::Protocol;
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

/// The differences of one type.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Between what the client was told and the latest state, by name.
    pending: BTreeMap<Arc<str>, Change>,
    /// What the outstanding response carried, for sending again.
    in_flight: Vec<Arc<Resource>>,
    /// What is sent once more, because a response was refused for another resource's sake.
    again: HashMap<Arc<str>, Change>,
    /// What was sent once more already.
    sent_again: HashMap<Arc<str>, Told>,
}

impl Differences for Changes {
    fn adds(&self, _: &Ledger) -> bool {
        self.pending
            .values()
            .any(|change| !matches!(change, Change::Remove))
    }

    fn removes(&self) -> bool {
        self.pending
            .values()
            .any(|change| matches!(change, Change::Remove))
    }
}

/// One client's stream.
#[derive(Debug, Default)]
pub(crate) struct Session {
    types: Types<Changes>,
    /// Clusters sent before the client first asked for endpoints on this stream.
    clusters_before_endpoints: HashSet<Arc<str>>,
    /// The client brought resources of an earlier stream, and may still have to say of what types.
    introducing: bool,
}

impl Protocol for Session {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaResponse;
    type Differences = Changes;
    const NAME: &'static str = "delta";

    fn node(request: &DeltaDiscoveryRequest) -> Option<&Node> {
        request.node.as_ref().filter(|node| !node.id.is_empty())
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    /// A client that reconnects says type by type what it holds; until it is done nothing is
    /// removed, because what it did not name yet may refer to it.
    fn introduced(&mut self) {
        self.introducing = false;
    }

    fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &DeltaDiscoveryRequest,
    ) -> Result<Outcome, LimitExceeded> {
        let subscribe = limits::shared(&request.resource_names_subscribe)?;
        let known = self.types.states.get(&type_url);
        let (mut names, mut bytes) = known.map_or((0, 0), |state| {
            (state.subscription.names.len(), state.name_bytes)
        });
        for name in &subscribe {
            if known.is_none_or(|state| !state.subscription.names.contains(name)) {
                names += 1;
                bytes += name.len();
            }
        }
        self.types.check_names(type_url, names, bytes)?;
        for name in request.initial_resource_versions.keys() {
            limits::check_name(name)?;
        }
        let first = known.is_none();
        let silent = self.types.is_silent();
        let state = self.types.states.entry(type_url).or_default();
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
            self.introducing |= silent && !request.initial_resource_versions.is_empty();
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

    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        if let Some(state) = self.types.states.get_mut(&type_url) {
            state.update(wanted);
        }
    }

    fn next_response(&mut self) -> Option<DeltaResponse> {
        let next = self.types.next(self.introducing)?;
        let (response, renewed) = self.types.states.get_mut(&next.type_url)?.send(&next);
        if next.type_url == TypeUrl::Cluster {
            self.renew_endpoints(&response, renewed);
        }
        Some(response)
    }

    fn types(&self) -> &Types<Changes> {
        &self.types
    }
}

impl Session {
    /// A client that gets a new form of a cluster warms it up and waits for its endpoints, even
    /// if it was sent the same endpoints for the old form: they are sent again. Clusters and
    /// their endpoints have one name.
    fn renew_endpoints(&mut self, response: &DeltaResponse, renewed: Vec<Arc<str>>) {
        match self.types.states.get_mut(&TypeUrl::Endpoints) {
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
}

impl TypeState<Changes> {
    fn subscribe(&mut self, name: Arc<str>) {
        if &*name == WILDCARD {
            if self.subscription.wildcard {
                self.ledger.distrust_all();
            }
            self.subscription.wildcard = true;
            self.owed = true;
        } else {
            self.ledger.distrust(&name);
            let len = name.len();
            if self.subscription.names.insert(name) {
                self.name_bytes += len;
            }
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
                self.name_bytes -= name.len();
                // Under a wildcard the client must hear whether it still gets the resource.
                self.ledger.distrust(name);
            }
        }
        if lost {
            let subscription = &self.subscription;
            self.ledger
                .forget_unless(|name| subscription.includes(name));
            self.differences
                .pending
                .retain(|name, _| subscription.includes(name));
            self.differences
                .again
                .retain(|name, _| subscription.includes(name));
            self.differences
                .sent_again
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
                for resource in &self.differences.in_flight {
                    self.differences.sent_again.remove(&resource.name);
                }
            }
            Answer::Nacked { rejected, .. } if !rejected.is_empty() => self.send_again(),
            Answer::Nacked { .. } => {}
        }
        self.differences.in_flight.clear();
        let names = &self.subscription.names;
        let again = &self.differences.again;
        self.ledger
            .settle(|name| names.contains(name) || again.contains_key(name));
        let ledger = &self.ledger;
        self.differences
            .sent_again
            .retain(|name, _| ledger.told(name).is_some());
    }

    /// What was refused only for another's sake is sent once more, without the other.
    fn send_again(&mut self) {
        for (name, told) in self.ledger.in_doubt() {
            if self.differences.sent_again.get(name) == Some(&told)
                || self.differences.pending.contains_key(name)
            {
                continue;
            }
            let change = match told {
                Told::Absent if self.subscription.names.contains(name) => Change::Absent,
                Told::Absent => Change::Remove,
                Told::Foreign => continue,
                Told::Version(version) => {
                    let carried = |r: &&Arc<Resource>| r.name == *name && r.version == version;
                    match self.differences.in_flight.iter().find(carried) {
                        Some(resource) => Change::Upsert(resource.clone()),
                        None => continue,
                    }
                }
            };
            self.differences.sent_again.insert(name.clone(), told);
            self.differences.again.insert(name.clone(), change.clone());
            self.differences.pending.insert(name.clone(), change);
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
            if !known || self.differences.again.contains_key(&resource.name) {
                pending.insert(resource.name.clone(), Change::Upsert((*resource).clone()));
            }
        }
        for (name, told) in self.ledger.names() {
            let again = self.differences.again.contains_key(name);
            if !wanted.contains_key(&**name) && (told != Told::Absent || again) {
                pending.insert(name.clone(), Change::Remove);
            }
        }
        for name in &self.subscription.names {
            if !wanted.contains_key(&**name) && self.ledger.told(name).is_none() {
                pending.insert(name.clone(), Change::Absent);
            }
        }
        self.differences.pending = pending;
    }

    /// The response, and the names in it that the client held in another version.
    fn send(&mut self, next: &Next) -> (DeltaResponse, Vec<Arc<str>>) {
        let mut renewed = Vec::new();
        let mut response = DeltaResponse {
            type_url: next.type_url,
            nonce: nonce_text(next.nonce),
            resources: Vec::new(),
            removed: Vec::new(),
        };
        let mut sent = Vec::new();
        let mut size = 0;
        for (name, change) in std::mem::take(&mut self.differences.pending) {
            let of_this_kind = matches!(change, Change::Remove) == next.removing;
            let added = match &change {
                Change::Upsert(resource) => delta_resource_len(resource),
                Change::Absent | Change::Remove => name.len(),
            };
            if !of_this_kind || (size > 0 && size + added > MAX_RESPONSE) {
                self.differences.pending.insert(name, change);
                continue;
            }
            size += added;
            self.differences.again.remove(&name);
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
        self.differences.in_flight.clone_from(&response.resources);
        self.ledger.send(next.nonce, sent);
        (response, renewed)
    }
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;
