//! The choice of a host.

use std::collections::HashMap;
use std::net::SocketAddr;

use graph::cluster::Balancing;
use graph::endpoint::{Endpoints, Health};

use crate::draws::Draws;
use crate::pool::Pool;
use crate::priority::{Count, Share, divide};

/// The panic threshold of a cluster that says none: in percent of hosts.
pub const DEFAULT_PANIC_PERCENT: u32 = 50;

#[derive(Debug)]
struct Place {
    address: SocketAddr,
    weight: u32,
    health: Health,
    ejected: bool,
}

/// Hosts of one priority by health.
#[derive(Debug, Default)]
struct Level {
    /// Places of its hosts in the flat list.
    places: std::ops::Range<u32>,
    healthy: Pool,
    degraded: Pool,
    all: Pool,
}

/// Chooses hosts of one cluster, for one worker.
#[derive(Debug)]
pub struct Balancer {
    balancing: Balancing,
    panic_percent: u32,
    overprovisioning: u32,
    hosts: Vec<Place>,
    levels: Vec<Level>,
    shares: Vec<Share>,
}

impl Balancer {
    /// A balancer over these endpoints. `panic_percent`: below so many percent of healthy hosts all take requests,
    /// 0 for never ([`DEFAULT_PANIC_PERCENT`] unless configured). `random`: where it begins.
    #[must_use]
    pub fn new(
        endpoints: &Endpoints,
        balancing: Balancing,
        panic_percent: u32,
        random: u64,
    ) -> Self {
        let mut balancer = Balancer {
            balancing,
            panic_percent,
            overprovisioning: 140,
            hosts: Vec::new(),
            levels: Vec::new(),
            shares: Vec::new(),
        };
        balancer.update(endpoints, balancing, panic_percent, random);
        balancer
    }

    /// Takes over new endpoints. Hosts that stay, by address, stay ejected where they are. Gives for each new place the
    /// place that the host had, so that what is kept elsewhere by place can move along.
    pub fn update(
        &mut self,
        endpoints: &Endpoints,
        balancing: Balancing,
        panic_percent: u32,
        random: u64,
    ) -> Vec<Option<usize>> {
        let old: HashMap<SocketAddr, usize> = self
            .hosts
            .iter()
            .enumerate()
            .map(|(at, host)| (host.address, at))
            .collect();
        self.balancing = balancing;
        self.panic_percent = panic_percent;
        self.overprovisioning = endpoints.overprovisioning_percent;
        let hosts = endpoints.priorities.iter().flatten();
        let moved: Vec<Option<usize>> = hosts
            .clone()
            .map(|h| old.get(&h.address).copied())
            .collect();
        let places = hosts.zip(&moved).map(|(host, was)| Place {
            address: host.address,
            weight: host.weight.max(1),
            health: host.health,
            ejected: was
                .and_then(|at| self.hosts.get(at))
                .is_some_and(|p| p.ejected),
        });
        self.hosts = places.collect();
        let mut draws = Draws::from(random);
        let mut kept = std::mem::take(&mut self.levels).into_iter();
        let mut start = 0u32;
        for priority in &endpoints.priorities {
            let end = start.saturating_add(u32::try_from(priority.len()).unwrap_or(u32::MAX));
            let mut level = kept.next().unwrap_or_else(|| Level::beginning(&mut draws));
            level.places = start..end;
            level.fill(&self.hosts, balancing);
            self.levels.push(level);
            start = end;
        }
        self.divide();
        moved
    }

    /// Leaves a host alone, or takes it back (passive ejection).
    pub fn set_ejected(&mut self, host: usize, ejected: bool) {
        let Some(place) = self.hosts.get_mut(host).filter(|p| p.ejected != ejected) else {
            return;
        };
        place.ejected = ejected;
        let of_host = |level: &&mut Level| level.places.contains(&(host as u32));
        if let Some(level) = self.levels.iter_mut().find(of_host) {
            level.fill(&self.hosts, self.balancing);
        }
        self.divide();
    }

    /// How many hosts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Where a host is; `None` beyond the last.
    #[must_use]
    pub fn address(&self, host: usize) -> Option<SocketAddr> {
        Some(self.hosts.get(host)?.address)
    }

    /// The host for a request. `load` says how many requests a host has under way. `None`: none takes requests.
    pub fn pick(&mut self, random: u64, load: impl Fn(usize) -> u32) -> Option<usize> {
        let mut draws = Draws::from(random);
        self.draw(&mut draws, &load)
    }

    /// The host for a retry: chosen again, up to `attempts` times, while `tried` says that it was used before; the
    /// last choice stands (`host_selection_retry_max_attempts`, predicate `previous_hosts`).
    pub fn pick_other(
        &mut self,
        random: u64,
        attempts: u32,
        load: impl Fn(usize) -> u32,
        tried: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut draws = Draws::from(random);
        let mut host = self.draw(&mut draws, &load)?;
        for _ in 0..attempts {
            if !tried(host) {
                break;
            }
            host = self.draw(&mut draws, &load)?;
        }
        Some(host)
    }

    /// The host for a request by its hash, where the policy is one of consistent hashing: another one, up to `attempts`
    /// times, while `tried` says that it was used before; the last choice stands.
    pub fn pick_hashed(
        &mut self,
        hash: u64,
        attempts: u32,
        tried: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let (at, degraded) = match self.shares.as_slice() {
            [only] if only.degraded == 0 => (0, false),
            shares => priority_of(shares, (hash % 100) as u32)?,
        };
        let level = self.levels.get_mut(at)?;
        let pool = match (self.shares.get(at)?.panic, degraded) {
            (true, _) => &mut level.all,
            (false, true) => &mut level.degraded,
            (false, false) => &mut level.healthy,
        };
        let (hosts, balancing) = (&self.hosts, self.balancing);
        let place = |host: u32| hosts.get(host as usize);
        let mut pick = |attempt| {
            let weight = |host| place(host).map_or(1, |p| p.weight);
            let key = |host| place(host).map_or_else(String::new, |p| p.address.to_string());
            pool.pick_hashed(balancing, hash, attempt, weight, key)
        };
        let mut host = pick(0)?;
        for attempt in 1..=attempts {
            if !tried(host as usize) {
                break;
            }
            host = pick(attempt)?;
        }
        Some(host as usize)
    }

    fn draw(&mut self, draws: &mut Draws, load: &impl Fn(usize) -> u32) -> Option<usize> {
        let drawn = match self.shares.as_slice() {
            [only] if only.degraded == 0 => 0,
            _ => draws.below(100)? as u32,
        };
        let (at, degraded) = priority_of(&self.shares, drawn)?;
        let level = self.levels.get_mut(at)?;
        let pool = match (self.shares.get(at)?.panic, degraded) {
            (true, _) => &mut level.all,
            (false, true) => &mut level.degraded,
            (false, false) => &mut level.healthy,
        };
        let hosts = &self.hosts;
        let weight = |host: u32| hosts.get(host as usize).map_or(1, |p| p.weight);
        let picked = pool.pick(self.balancing, draws, weight, load)?;
        Some(picked as usize)
    }

    fn divide(&mut self) {
        let counts: Vec<Count> = self.levels.iter().map(|l| l.count(&self.hosts)).collect();
        self.shares = divide(&counts, self.overprovisioning, self.panic_percent);
    }
}

/// The priority that a number below 100 falls to, and whether to its degraded hosts.
fn priority_of(shares: &[Share], drawn: u32) -> Option<(usize, bool)> {
    let mut end = 0;
    let healthy = shares.iter().map(|s| (s.healthy, false)).enumerate();
    let degraded = shares.iter().map(|s| (s.degraded, true)).enumerate();
    healthy.chain(degraded).find_map(|(at, (share, degraded))| {
        end += share;
        (drawn < end).then_some((at, degraded))
    })
}

impl Level {
    fn beginning(draws: &mut Draws) -> Self {
        let pool = |turn| Pool::new(Vec::new(), |_| 1, Balancing::RoundRobin, turn);
        let turn = draws.next() >> 1;
        Level {
            places: 0..0,
            healthy: pool(turn),
            degraded: pool(turn),
            all: pool(turn),
        }
    }

    fn fill(&mut self, hosts: &[Place], balancing: Balancing) {
        let place = |at: u32| hosts.get(at as usize);
        let weight = |at: u32| place(at).map_or(1, |p| p.weight);
        let with = |health: Health| -> Vec<u32> {
            self.places
                .clone()
                .filter(|at| place(*at).is_some_and(|p| p.health == health && !p.ejected))
                .collect()
        };
        let healthy = with(Health::Healthy);
        let degraded = with(Health::Degraded);
        self.healthy = Pool::new(healthy, weight, balancing, self.healthy.turn());
        self.degraded = Pool::new(degraded, weight, balancing, self.degraded.turn());
        let all = self.places.clone().collect();
        self.all = Pool::new(all, weight, balancing, self.all.turn());
    }

    fn count(&self, hosts: &[Place]) -> Count {
        let draining = self
            .places
            .clone()
            .filter_map(|at| hosts.get(at as usize))
            .filter(|p| p.health == Health::Draining)
            .count();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Count {
            healthy: number(self.healthy.len()),
            degraded: number(self.degraded.len()),
            counted: number(self.all.len().saturating_sub(draining)),
            all: number(self.all.len()),
        }
    }
}
