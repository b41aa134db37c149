//! Consistent hashing: hosts by a request's hash, most of which stay where they are as hosts come and go. Tables are
//! those of Envoy, entry by entry, so that a mesh of both sends a session to one host.

use graph::cluster::Balancing;

use crate::xxhash::xxh64;

/// Which host a hash means.
#[derive(Debug)]
pub(crate) enum Table {
    /// Points on a ring with their hosts, sorted: a hash belongs to the next point.
    Ring(Vec<(u64, u32)>),
    /// A host for each remainder.
    Maglev(Vec<u32>),
}

impl Table {
    /// The table of these hosts; `key` is what a host is known by. `None`: there is none, or the policy hashes nothing.
    pub(crate) fn new(
        balancing: Balancing,
        hosts: &[u32],
        weight: impl Fn(u32) -> u32,
        key: impl Fn(u32) -> String,
    ) -> Option<Table> {
        let total: f64 = hosts.iter().map(|h| f64::from(weight(*h))).sum();
        if hosts.is_empty() {
            return None;
        }
        let share = |h: u32| f64::from(weight(h)) / total;
        match balancing {
            Balancing::RingHash { minimum, maximum } => {
                Some(Table::Ring(ring(minimum, maximum, hosts, share, key)))
            }
            Balancing::Maglev { size } => Some(Table::Maglev(maglev(size, hosts, share, key))),
            _ => None,
        }
    }

    /// The host of a hash; a later `attempt` means another one, as far as it can.
    pub(crate) fn pick(&self, hash: u64, attempt: u32) -> Option<u32> {
        match self {
            Table::Ring(points) => {
                let at = points.partition_point(|(point, _)| *point < hash) + attempt as usize;
                points
                    .get(at.checked_rem(points.len())?)
                    .map(|(_, host)| *host)
            }
            Table::Maglev(hosts) => {
                let hash = match attempt {
                    0 => hash,
                    attempt => hash ^ (u64::MAX - u64::from(attempt) + 1),
                };
                let at = hash.checked_rem(hosts.len() as u64)?;
                hosts.get(at as usize).copied()
            }
        }
    }
}

fn ring(
    minimum: u32,
    maximum: u32,
    hosts: &[u32],
    share: impl Fn(u32) -> f64,
    key: impl Fn(u32) -> String,
) -> Vec<(u64, u32)> {
    let least = hosts.iter().map(|h| share(*h)).fold(1.0, f64::min);
    // The lightest host gets a whole number of points.
    let scale = ((least * f64::from(minimum)).ceil() / least).min(f64::from(maximum));
    let mut points = Vec::with_capacity(scale.ceil() as usize);
    let (mut now, mut target) = (0.0, 0.0);
    for host in hosts {
        let key = key(*host);
        target += scale * share(*host);
        let mut number = 0u32;
        while now < target {
            points.push((xxh64(format!("{key}_{number}").as_bytes(), 0), *host));
            number += 1;
            now += 1.0;
        }
    }
    points.sort_unstable_by_key(|(point, _)| *point);
    points
}

/// One host while a table is filled.
struct Filling {
    host: u32,
    offset: u64,
    skip: u64,
    next: u64,
    weight: f64,
    target: f64,
}

fn maglev(
    size: u32,
    hosts: &[u32],
    share: impl Fn(u32) -> f64,
    key: impl Fn(u32) -> String,
) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    let size = u64::from(size.max(2));
    let most = hosts.iter().map(|h| share(*h)).fold(0.0, f64::max);
    let mut keyed: Vec<(String, u32)> = hosts.iter().map(|host| (key(*host), *host)).collect();
    // Two hosts may want one place in the same round: who asks first must not hang on the order they came in.
    keyed.sort_unstable();
    let mut filling: Vec<Filling> = keyed
        .into_iter()
        .map(|(key, host)| Filling {
            host,
            offset: xxh64(key.as_bytes(), 0) % size,
            skip: xxh64(key.as_bytes(), 1) % (size - 1) + 1,
            next: 0,
            weight: share(host),
            target: 0.0,
        })
        .collect();
    let mut table = vec![FREE; size as usize];
    let mut left = table.len();
    let mut round = 1.0;
    while left > 0 {
        for entry in &mut filling {
            if left == 0 {
                break;
            }
            // The heaviest host gets a place each round, one of half its weight each second round.
            if round * entry.weight < entry.target {
                continue;
            }
            entry.target += most;
            loop {
                let at = (entry.offset + entry.skip * entry.next) % size;
                entry.next += 1;
                if let Some(place) = table.get_mut(at as usize).filter(|p| **p == FREE) {
                    *place = entry.host;
                    break;
                }
            }
            left -= 1;
        }
        round += 1.0;
    }
    table
}
