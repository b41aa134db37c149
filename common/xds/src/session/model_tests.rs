//! Random walks of a server session and a client of the protocol, over queues that keep order and
//! break: whatever happens, the client ends with the state of the world, never hears the same
//! version again after it acked it, and never holds a route without its cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::google::rpc::Status as RpcStatus;

use super::delta::Session;
use super::{Answer, Subscription};
use crate::protocol::Protocol;
use crate::wire::DeltaResponse;
use crate::{Resource, TypeUrl, Version};

const TYPES: [TypeUrl; 2] = [TypeUrl::Cluster, TypeUrl::Route];
const ROUTES: [&str; 4] = ["r0", "r1", "r2", "r3"];

/// A xorshift generator: the walk of a seed is the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

type Held = BTreeMap<String, (Version, Bytes)>;

#[derive(Default)]
struct Client {
    held: HashMap<TypeUrl, Held>,
    routes: BTreeSet<String>,
    to_server: VecDeque<(TypeUrl, DeltaDiscoveryRequest)>,
}

impl Client {
    fn connect(&mut self) {
        self.to_server.clear();
        for type_url in TYPES {
            let held = self.held.entry(type_url).or_default();
            let subscribe = match type_url {
                TypeUrl::Route => self.routes.iter().cloned().collect(),
                _ => vec!["*".to_owned()],
            };
            let request = DeltaDiscoveryRequest {
                resource_names_subscribe: subscribe,
                initial_resource_versions: held
                    .iter()
                    .map(|(name, (version, _))| (name.clone(), version.to_string()))
                    .collect(),
                ..Default::default()
            };
            self.to_server.push_back((type_url, request));
        }
    }

    fn toggle(&mut self, route: &str) {
        let mut request = DeltaDiscoveryRequest::default();
        if self.routes.remove(route) {
            request.resource_names_unsubscribe.push(route.to_owned());
            self.held.entry(TypeUrl::Route).or_default().remove(route);
        } else {
            self.routes.insert(route.to_owned());
            request.resource_names_subscribe.push(route.to_owned());
        }
        self.to_server.push_back((TypeUrl::Route, request));
    }

    /// Applies what it can; a body that begins with `bad` is refused by name. `whole` clients
    /// refuse the rest of such a response as well.
    fn apply(&mut self, response: &DeltaResponse, whole: bool) {
        let bad: Vec<&str> = response
            .resources
            .iter()
            .filter(|r| r.body.starts_with(b"bad"))
            .map(|r| &*r.name)
            .collect();
        let held = self.held.entry(response.type_url).or_default();
        if bad.is_empty() || !whole {
            for resource in &response.resources {
                let wanted =
                    response.type_url == TypeUrl::Cluster || self.routes.contains(&*resource.name);
                if wanted && !bad.contains(&&*resource.name) {
                    let body = (resource.version, resource.body.clone());
                    held.insert(resource.name.to_string(), body);
                }
            }
            for name in &response.removed {
                held.remove(&**name);
            }
        }
        let error_detail = (!bad.is_empty()).then(|| RpcStatus {
            message: format!("Error adding/updating: {}: bad", bad.join(": bad, ")),
            ..Default::default()
        });
        let request = DeltaDiscoveryRequest {
            response_nonce: response.nonce.clone(),
            error_detail,
            ..Default::default()
        };
        self.to_server.push_back((response.type_url, request));
    }

    fn assert_no_route_without_its_cluster(&self, seed: u64) {
        let none = Held::new();
        let clusters = self.held.get(&TypeUrl::Cluster).unwrap_or(&none);
        for (name, (_, body)) in self.held.get(&TypeUrl::Route).unwrap_or(&none) {
            let body = std::str::from_utf8(body).unwrap();
            let cluster = body.split(' ').next().unwrap();
            assert!(
                clusters.contains_key(cluster),
                "seed {seed}: route {name} leads to {cluster}, which is gone"
            );
        }
    }
}

struct World {
    now: HashMap<TypeUrl, Vec<Arc<Resource>>>,
}

impl World {
    fn next(random: &mut Random) -> Self {
        let clusters: Vec<String> = (0..6)
            .filter(|_| random.below(2) == 0)
            .map(|i| format!("c{i}"))
            .collect();
        let mut now = HashMap::new();
        let make = |type_url, name: &str, body: String| {
            Arc::new(Resource::new(type_url, name, Bytes::from(body)))
        };
        let bodies = clusters
            .iter()
            .map(|name| make(TypeUrl::Cluster, name, format!("v{}", random.below(3))));
        now.insert(TypeUrl::Cluster, bodies.collect());
        let mut routes = Vec::new();
        for name in ROUTES {
            if clusters.is_empty() || random.below(4) == 0 {
                continue;
            }
            let to = &clusters[random.below(clusters.len() as u64) as usize];
            let bad = if random.below(6) == 0 { "bad " } else { "" };
            let body = format!("{bad}{to} v{}", random.below(3));
            routes.push(make(TypeUrl::Route, name, body));
        }
        now.insert(TypeUrl::Route, routes);
        World { now }
    }

    fn of(&self, type_url: TypeUrl, subscription: &Subscription) -> Vec<Arc<Resource>> {
        self.now[&type_url]
            .iter()
            .filter(|r| subscription.includes(&r.name))
            .cloned()
            .collect()
    }
}

struct Walk {
    seed: u64,
    random: Random,
    world: World,
    session: Session,
    client: Client,
    to_client: VecDeque<DeltaResponse>,
    /// What the server knows to be acked, and may not send again.
    acked: HashMap<(TypeUrl, String), Version>,
    in_flight: HashMap<String, DeltaResponse>,
    whole: bool,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let world = World::next(&mut random);
        let whole = random.below(2) == 0;
        let mut walk = Walk {
            seed,
            random,
            world,
            session: Session::default(),
            client: Client::default(),
            to_client: VecDeque::new(),
            acked: HashMap::new(),
            in_flight: HashMap::new(),
            whole,
        };
        walk.client
            .routes
            .extend(["r0".to_owned(), "r1".to_owned()]);
        walk.client.connect();
        walk
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0 => self.change_world(),
            1 => {
                let route = ROUTES[self.random.below(4) as usize];
                self.client.toggle(route);
            }
            2 if self.random.below(6) == 0 => self.reconnect(),
            3 if self.client.to_server.is_empty() => self.session.introduced(),
            4..=7 => self.deliver_to_server(),
            _ => self.deliver_to_client(),
        }
        self.flush();
    }

    fn change_world(&mut self) {
        self.world = World::next(&mut self.random);
        self.update_all();
    }

    fn update_all(&mut self) {
        let subscriptions: Vec<_> = self
            .session
            .types()
            .subscriptions()
            .map(|(t, s)| (t, s.clone()))
            .collect();
        for (type_url, subscription) in subscriptions {
            let wanted = self.world.of(type_url, &subscription);
            self.session.update(type_url, &wanted);
        }
    }

    fn reconnect(&mut self) {
        self.session = Session::default();
        self.to_client.clear();
        self.acked.clear();
        self.in_flight.clear();
        self.client.connect();
    }

    fn deliver_to_client(&mut self) {
        if let Some(response) = self.to_client.pop_front() {
            self.client.apply(&response, self.whole);
            self.client.assert_no_route_without_its_cluster(self.seed);
        }
    }

    fn deliver_to_server(&mut self) {
        let Some((type_url, request)) = self.client.to_server.pop_front() else {
            return;
        };
        let outcome = self.session.on_request(type_url, &request).unwrap();
        let answered = self.in_flight.remove(&request.response_nonce);
        if let (Answer::Acked, Some(response)) = (outcome.answer, answered) {
            for resource in &response.resources {
                let key = (type_url, resource.name.to_string());
                self.acked.insert(key, resource.version);
            }
        }
        let asked_again = request.resource_names_subscribe.iter();
        for name in asked_again.chain(&request.resource_names_unsubscribe) {
            self.acked.remove(&(type_url, name.clone()));
            // An ack of what was sent before says nothing about what is asked for again.
            for response in self.in_flight.values_mut() {
                response.resources.retain(|r| *r.name != **name);
            }
        }
        for (name, version) in &request.initial_resource_versions {
            let key = (type_url, name.clone());
            self.acked.insert(key, Version::parse(version).unwrap());
        }
        let stale: Vec<_> = self
            .session
            .types()
            .stale()
            .map(|(t, s)| (t, s.clone()))
            .collect();
        for (type_url, subscription) in stale {
            let wanted = self.world.of(type_url, &subscription);
            self.session.update(type_url, &wanted);
        }
    }

    fn flush(&mut self) {
        while let Some(response) = self.session.next_response() {
            for resource in &response.resources {
                let key = (response.type_url, resource.name.to_string());
                assert_ne!(
                    self.acked.remove(&key),
                    Some(resource.version),
                    "seed {}: {} was acked already",
                    self.seed,
                    resource.name
                );
            }
            for name in &response.removed {
                self.acked.remove(&(response.type_url, name.to_string()));
            }
            self.in_flight
                .insert(response.nonce.clone(), response.clone());
            self.to_client.push_back(response);
        }
    }

    fn drain(&mut self) {
        loop {
            if self.client.to_server.is_empty() {
                self.session.introduced();
                self.flush();
            }
            if self.to_client.is_empty() && self.client.to_server.is_empty() {
                return;
            }
            self.deliver_to_client();
            self.deliver_to_server();
            self.flush();
        }
    }

    fn assert_converged(&self) {
        let seed = self.seed;
        let mut refused = false;
        for resource in &self.world.now[&TypeUrl::Route] {
            let subscribed = self.client.routes.contains(&*resource.name);
            let held = self.client.held[&TypeUrl::Route].get(&*resource.name);
            if resource.body.starts_with(b"bad") {
                refused |= subscribed;
            } else {
                let expected = subscribed.then_some(resource.version);
                assert_eq!(
                    held.map(|h| h.0),
                    expected,
                    "seed {seed}: {}",
                    resource.name
                );
            }
        }
        for name in self.client.held[&TypeUrl::Route].keys() {
            let exists = self.world.now[&TypeUrl::Route]
                .iter()
                .any(|r| *r.name == **name);
            assert!(exists, "seed {seed}: route {name} should be gone");
        }
        let mut held: BTreeMap<&str, Version> = self.client.held[&TypeUrl::Cluster]
            .iter()
            .map(|(name, (version, _))| (&**name, *version))
            .collect();
        let expected: BTreeMap<&str, Version> = self.world.now[&TypeUrl::Cluster]
            .iter()
            .map(|r| (&*r.name, r.version))
            .collect();
        if refused {
            // The refused route's older form may need a cluster that is otherwise gone.
            held.retain(|name, _| expected.contains_key(name));
        }
        assert_eq!(held, expected, "seed {seed}");
    }
}

#[test]
fn every_walk_ends_with_the_state_of_the_world() {
    for seed in 1..=400 {
        let mut walk = Walk::new(seed);
        for _ in 0..300 {
            walk.step();
        }
        walk.drain();
        walk.assert_converged();
    }
}

/// A client that never answers: what is kept for it does not grow with the changes.
#[test]
fn a_silent_client_costs_one_state_and_not_a_queue() {
    let mut random = Random(7);
    let mut session = Session::default();
    let request = DeltaDiscoveryRequest::default();
    session.on_request(TypeUrl::Cluster, &request).unwrap();
    let mut sent = 0;
    for _ in 0..1000 {
        let world = World::next(&mut random);
        session.update(TypeUrl::Cluster, &world.now[&TypeUrl::Cluster]);
        while session.next_response().is_some() {
            sent += 1;
        }
    }
    assert_eq!(sent, 1);
    assert!(session.types().report()[0].resources.len() <= 6);
}
