//! A cluster as its resource says, and what becomes of it with endpoints and secrets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use graph::cluster::{Cluster, UpstreamTransport};
use graph::endpoint::{self, Host};
use graph::tls::{Secured, UpstreamTls};

use super::sockets::{Socket, Sockets};
use crate::assignment::{Assignment, Given, Hosts, Whereabouts};
use crate::tls::context::Reference;

/// A cluster that is compiled but for what comes by other resources.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Endpoints and transports in it count for nothing.
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) endpoints: Endpoints,
    pub(crate) weighted_localities: bool,
    pub(crate) sockets: Sockets,
}

/// Where a cluster's endpoints come from.
#[derive(Debug)]
pub(crate) enum Endpoints {
    /// It has none.
    None,
    /// They stand in it.
    Inline(Arc<Assignment>),
    /// An assignment of this name; zero patience waits for ever.
    Service { name: Arc<str>, patience: Duration },
    /// They stand in it, as names to resolve.
    Names {
        assignment: Arc<Assignment>,
        resolving: Resolving,
        first_only: bool,
    },
}

/// How names are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolving {
    pub(crate) family: Family,
    pub(crate) refresh: Duration,
    pub(crate) respect_ttl: bool,
}

/// Which addresses of a name are used (`DnsLookupFamily`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    /// Those of IPv6; where there are none, those of IPv4.
    PreferV6,
    /// Those of IPv4; where there are none, those of IPv6.
    PreferV4,
    All,
}

impl Family {
    fn of(self, all: &[IpAddr]) -> Vec<IpAddr> {
        let v4 = || {
            all.iter()
                .copied()
                .filter(IpAddr::is_ipv4)
                .collect::<Vec<_>>()
        };
        let v6 = || {
            all.iter()
                .copied()
                .filter(IpAddr::is_ipv6)
                .collect::<Vec<_>>()
        };
        let or = |first: Vec<IpAddr>, second: &dyn Fn() -> Vec<IpAddr>| match first.is_empty() {
            true => second(),
            false => first,
        };
        match self {
            Family::V4 => v4(),
            Family::V6 => v6(),
            Family::PreferV6 => or(v6(), &v4),
            Family::PreferV4 => or(v4(), &v6),
            Family::All => all.to_vec(),
        }
    }
}

impl Plan {
    /// The secrets that its transports need.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Reference> {
        self.sockets.sockets.iter().flat_map(|socket| {
            match socket {
                Socket::Raw => None,
                Socket::Tls { context, .. } => Some(context.shared.references()),
            }
            .into_iter()
            .flatten()
        })
    }

    /// Its ways to send bytes; `settings` makes those of TLS and says whom they show, or none where a secret is not there.
    pub(crate) fn transports(
        &self,
        mut settings: impl FnMut(
            &crate::tls::context::Upstream,
        ) -> Option<(Arc<rustls::ClientConfig>, Arc<str>)>,
    ) -> Vec<UpstreamTransport> {
        let transport = |socket: &Socket| match socket {
            Socket::Raw => UpstreamTransport::Raw,
            Socket::Tls { context, sni } => UpstreamTransport::Tls(match settings(context) {
                None => Secured::Waiting,
                Some((config, local_uri)) => Secured::Ready(Arc::new(UpstreamTls {
                    config,
                    sni: sni.clone(),
                    alpn: context.shared.alpn.clone(),
                    peers: context.shared.peers.clone(),
                    local_uri,
                })),
            }),
        };
        self.sockets.sockets.iter().map(transport).collect()
    }

    /// Its endpoints from an assignment; those that `before` had in the same way are the same ones.
    pub(crate) fn hosts(
        &self,
        assignment: &Assignment,
        resolved: &dyn Fn(&str) -> Option<Arc<[IpAddr]>>,
        before: Option<&endpoint::Endpoints>,
    ) -> endpoint::Endpoints {
        let known: BTreeMap<SocketAddr, &Arc<Host>> = before
            .iter()
            .flat_map(|b| b.priorities.iter().flatten())
            .map(|host| (host.address, host))
            .collect();
        let mut priorities: Vec<Vec<Arc<Host>>> = Vec::new();
        for locality in &assignment.localities {
            // A locality without a weight takes none where localities are weighed (`load_balancing_weight`).
            if self.weighted_localities && locality.weight.unwrap_or(0) == 0 {
                continue;
            }
            let priority = locality.priority as usize;
            if priorities.len() <= priority {
                priorities.resize_with(priority + 1, Vec::new);
            }
            let Some(into) = priorities.get_mut(priority) else {
                continue;
            };
            let share = self
                .weighted_localities
                .then(|| Share::of(locality, assignment))
                .flatten();
            for mut host in self.expand(locality, resolved) {
                host.weight = share.map_or(host.weight, |share| share.scale(host.weight));
                into.push(match known.get(&host.address) {
                    Some(same) if same_host(same, &host) => (*same).clone(),
                    _ => Arc::new(host),
                });
            }
        }
        priorities.iter_mut().for_each(Vec::shrink_to_fit);
        priorities.shrink_to_fit();
        endpoint::Endpoints {
            priorities,
            overprovisioning_percent: assignment.overprovisioning_percent,
        }
    }

    fn expand(
        &self,
        locality: &Hosts,
        resolved: &dyn Fn(&str) -> Option<Arc<[IpAddr]>>,
    ) -> Vec<Host> {
        let host = |given: &Given, address: SocketAddr| Host {
            address,
            weight: given.weight,
            locality: locality.locality.clone(),
            health: given.health,
            transport: self.sockets.of(given.socket.as_deref()),
            workload: given.workload.clone(),
            hostname: given.hostname.clone(),
        };
        let mut hosts = Vec::with_capacity(locality.hosts.len());
        for given in &locality.hosts {
            match (&given.place, &self.endpoints) {
                (Whereabouts::At(address), _) => hosts.push(host(given, *address)),
                (
                    Whereabouts::Name(name, port),
                    Endpoints::Names {
                        resolving,
                        first_only,
                        ..
                    },
                ) => {
                    let addresses = resolved(name).unwrap_or_default();
                    let most = if *first_only { 1 } else { usize::MAX };
                    let addresses = resolving.family.of(&addresses).into_iter().take(most);
                    hosts.extend(addresses.map(|ip| host(given, SocketAddr::new(ip, *port))));
                }
                (Whereabouts::Name(..), _) => {}
            }
        }
        hosts
    }
}

/// The weight of a locality spread over its hosts, so that within a priority each locality gets its share however
/// many hosts it has.
#[derive(Debug, Clone, Copy)]
struct Share {
    locality: u64,
    hosts: u64,
}

impl Share {
    /// The share of a locality; `None` where the hosts' own weights come to the same.
    fn of(locality: &Hosts, among: &Assignment) -> Option<Share> {
        let share = |of: &Hosts| Share {
            locality: of.weight.unwrap_or(0).into(),
            hosts: of.hosts.iter().map(|h| u64::from(h.weight)).sum(),
        };
        let own = share(locality);
        let even = |other: Share| {
            u128::from(own.locality) * u128::from(other.hosts)
                == u128::from(other.locality) * u128::from(own.hosts)
        };
        let uneven = among
            .localities
            .iter()
            .filter(|l| l.priority == locality.priority && !l.hosts.is_empty())
            .map(share)
            .any(|other| other.locality > 0 && !even(other));
        uneven.then_some(own)
    }

    /// A host's weight in thousandths of its locality's, so that many hosts do not round to nothing.
    fn scale(self, weight: u32) -> u32 {
        let scaled =
            u128::from(weight) * u128::from(self.locality) * 1000 / u128::from(self.hosts.max(1));
        u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
    }
}

fn same_host(a: &Host, b: &Host) -> bool {
    let Host {
        address,
        weight,
        locality,
        health,
        transport,
        workload,
        hostname,
    } = a;
    *address == b.address
        && *weight == b.weight
        && *locality == b.locality
        && *health == b.health
        && *transport == b.transport
        && *workload == b.workload
        && *hostname == b.hostname
}
