//! A cluster as one worker uses it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use balance::{Balancer, Change, Outlier, Recorded};
use graph::cluster::{Cluster, Discovery, UpstreamTransport};
use graph::endpoint::{Health, Host, Locality};
use graph::tls::Secured;

use stats::{ClusterStat, Metrics, Registry};

use super::host::HostState;

/// Addresses of an original-destination cluster that are kept at most; beyond it those without connections go.
const KEPT_DESTINATIONS: usize = 4096;

/// Draws by which a retry avoids endpoints that were tried (Istio's `host_selection_retry_max_attempts`).
const AVOIDING: u32 = 5;

/// One cluster.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub(crate) cluster: Arc<Cluster>,
    balancer: Balancer,
    outlier: Option<Outlier>,
    hosts: Vec<Rc<HostState>>,
    /// Hosts of a cluster whose requests go where they were made to.
    destinations: HashMap<SocketAddr, Rc<HostState>>,
    /// Requests under way.
    pub(crate) requests: u32,
    /// Requests that wait for a connection.
    pub(crate) pending: u32,
    /// Connections, those being opened too.
    pub(crate) connections: u32,
    /// Retries under way.
    pub(crate) retries: u32,
    /// What is counted of it.
    pub(crate) metrics: Metrics<ClusterStat>,
    /// When its ejections are looked at next.
    pub(crate) look_at: Option<Instant>,
    /// It is not in the configuration, and stays for what is under way.
    removed: bool,
}

impl ClusterState {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        random: u64,
        now: Duration,
        registry: &Registry,
    ) -> Self {
        let metrics = registry.metrics(&cluster.name);
        let empty = graph::endpoint::Endpoints::default();
        let endpoints = cluster.endpoints.as_deref().unwrap_or(&empty);
        let balancer = Balancer::new(
            endpoints,
            cluster.settings.balancing,
            panic_percent(&cluster),
            random,
        );
        let mut state = ClusterState {
            cluster: cluster.clone(),
            balancer,
            outlier: cluster
                .settings
                .outlier
                .map(|settings| Outlier::new(settings, 0, now)),
            hosts: Vec::new(),
            destinations: HashMap::new(),
            requests: 0,
            pending: 0,
            connections: 0,
            retries: 0,
            metrics,
            look_at: None,
            removed: false,
        };
        state.rebuild(true);
        let fresh = vec![None; state.hosts.len()];
        if let (Some(outlier), Some(settings)) = (&mut state.outlier, cluster.settings.outlier) {
            outlier.update(settings, &fresh);
        }
        state
    }

    /// Takes a newer version; hosts that stay keep their connections. Returns those that went.
    pub(crate) fn update(
        &mut self,
        cluster: &Arc<Cluster>,
        random: u64,
        now: Duration,
    ) -> Vec<Rc<HostState>> {
        if std::mem::take(&mut self.removed) {
            self.hosts().for_each(|host| host.left.set(false));
        }
        if Arc::ptr_eq(&self.cluster, cluster) {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.cluster, cluster.clone());
        let same_endpoints = match (&before.endpoints, &cluster.endpoints) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let alike = speaks_alike(&before, cluster);
        if alike
            && same_endpoints
            && before.settings.balancing == cluster.settings.balancing
            && before.settings.outlier == cluster.settings.outlier
        {
            return Vec::new();
        }
        let empty = graph::endpoint::Endpoints::default();
        let endpoints = cluster.endpoints.as_deref().unwrap_or(&empty);
        let moved = self.balancer.update(
            endpoints,
            cluster.settings.balancing,
            panic_percent(cluster),
            random,
        );
        match (&mut self.outlier, cluster.settings.outlier) {
            (Some(outlier), Some(settings)) => outlier.update(settings, &moved),
            (place @ None, Some(settings)) => {
                *place = Some(Outlier::new(settings, moved.len(), now))
            }
            (place, None) => *place = None,
        }
        let mut gone = self.rebuild(alike);
        if !alike {
            gone.extend(self.destinations.drain().map(|(_, host)| host));
        }
        gone
    }

    /// It is in the configuration no more. Returns hosts that nobody has been told to leave yet.
    pub(crate) fn remove(&mut self) -> Vec<Rc<HostState>> {
        self.removed = true;
        self.hosts()
            .filter(|host| !host.left.get())
            .cloned()
            .collect()
    }

    /// Makes the list of hosts; returns those that are in it no more. `keep`: connections of hosts that stay go on.
    fn rebuild(&mut self, keep: bool) -> Vec<Rc<HostState>> {
        let mut gone = Vec::new();
        let mut before: HashMap<SocketAddr, Rc<HostState>> =
            self.hosts.drain(..).map(|h| (h.host.address, h)).collect();
        let endpoints = self.cluster.endpoints.clone();
        for host in endpoints.iter().flat_map(|e| e.priorities.iter().flatten()) {
            let host = match before.remove(&host.address) {
                Some(same) if keep && same.host.transport == host.transport => same,
                other => {
                    gone.extend(other);
                    Rc::new(HostState::new(host.clone()))
                }
            };
            host.at.set(self.hosts.len());
            self.hosts.push(host);
        }
        gone.extend(before.into_values());
        gone
    }

    /// Chooses an endpoint. `destination` is where the request was made to; `tried` are those that a retry avoids.
    pub(crate) fn pick(
        &mut self,
        destination: SocketAddr,
        tried: &[SocketAddr],
        random: u64,
        hash: Option<u64>,
    ) -> Option<Rc<HostState>> {
        if self.cluster.settings.discovery == Discovery::OriginalDestination {
            return Some(self.destination(destination));
        }
        let hosts = &self.hosts;
        let load = |i: usize| hosts.get(i).map_or(0, |h| h.active.get());
        let was = |i: usize| {
            hosts
                .get(i)
                .is_some_and(|h| tried.contains(&h.host.address))
        };
        let found = match tried {
            _ if self.cluster.settings.balancing.is_hashed() => {
                self.balancer
                    .pick_hashed(hash.unwrap_or(random), AVOIDING, was)
            }
            [] => self.balancer.pick(random, load),
            _ => self.balancer.pick_other(random, AVOIDING, load, was),
        }?;
        hosts.get(found).cloned()
    }

    /// Notes how an attempt at a host went; ejects it where that is due.
    pub(crate) fn record(&mut self, host: &HostState, outcome: Recorded, now: Duration) {
        host.count(|counts| match outcome {
            Recorded::Status(status) if status < 500 => counts.requests_succeeded += 1,
            Recorded::Status(_) | Recorded::ConnectFailed => counts.requests_failed += 1,
            Recorded::TimedOut => counts.requests_timed_out += 1,
            Recorded::Connected => {}
        });
        let change = self
            .outlier
            .as_mut()
            .and_then(|o| o.record(host.at.get(), outcome, now));
        if let Some(Change { host, ejected }) = change {
            tracing::info!(
                "cluster {}: endpoint {:?} is ejected",
                self.cluster.name,
                self.balancer.address(host)
            );
            self.balancer.set_ejected(host, ejected);
        }
    }

    /// Whether a host is left alone for its failures.
    pub(crate) fn is_ejected(&self, host: &HostState) -> bool {
        let watched = self.outlier.as_ref();
        watched.is_some_and(|outlier| outlier.is_ejected(host.at.get()))
    }

    /// Takes back hosts whose time is over. When to look again, if ever.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Duration> {
        let outlier = self.outlier.as_mut()?;
        let balancer = &mut self.balancer;
        outlier.tick(now, |change| {
            balancer.set_ejected(change.host, change.ejected)
        });
        Some(outlier.next_tick())
    }

    fn destination(&mut self, address: SocketAddr) -> Rc<HostState> {
        if self.destinations.len() >= KEPT_DESTINATIONS {
            self.destinations
                .retain(|_, host| Rc::strong_count(host) > 1);
        }
        let make = || {
            Rc::new(HostState::new(Arc::new(Host {
                address,
                weight: 1,
                locality: Arc::new(Locality::default()),
                health: Health::Healthy,
                transport: 0,
                workload: None,
                hostname: None,
            })))
        };
        self.destinations
            .entry(address)
            .or_insert_with(make)
            .clone()
    }

    /// Whether nothing is under way to it.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests == 0 && self.pending == 0 && self.connections == 0 && self.retries == 0
    }

    /// All hosts that there are.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Rc<HostState>> {
        self.hosts.iter().chain(self.destinations.values())
    }
}

/// Percent of healthy hosts below which all take load; Envoy's default without outlier detection is 50.
fn panic_percent(cluster: &Cluster) -> u32 {
    cluster.settings.outlier.map_or(50, |o| o.panic_percent)
}

/// Whether connections made for one version of a cluster may carry requests of the other: a cluster that goes over to
/// TLS, or expects other peers, must not be served by connections that were made before.
fn speaks_alike(before: &Cluster, after: &Cluster) -> bool {
    let same = |pair: (&UpstreamTransport, &UpstreamTransport)| match pair {
        (UpstreamTransport::Raw, UpstreamTransport::Raw) => true,
        (UpstreamTransport::Tls(a), UpstreamTransport::Tls(b)) => match (a, b) {
            (Secured::Ready(a), Secured::Ready(b)) => a.asks_the_same(b),
            (Secured::Waiting, Secured::Waiting) => true,
            _ => false,
        },
        _ => false,
    };
    before.settings.protocol == after.settings.protocol
        && before.settings.bind == after.settings.bind
        && before.transports.len() == after.transports.len()
        && before.transports.iter().zip(&after.transports).all(same)
}
