//! Hosts of one priority and kind of health, and the choice among them.

use graph::cluster::Balancing;

use crate::draws::Draws;
use crate::hashed::Table;
use crate::schedule::Schedule;

/// A new schedule begins where the one before it was in its cycle, up to so many turns in: else frequent changes
/// would give all requests to the heaviest host.
const MOST_SKIPPED: u64 = 4096;

/// Hosts among which one is chosen.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    hosts: Vec<u32>,
    /// Ends of the hosts' shares in the sum of weights; empty where all weigh the same.
    shares: Vec<u64>,
    /// Turns by weight; none where all weigh the same or the choice is at random.
    schedule: Option<Schedule>,
    /// Turns taken; where all weigh the same, the next one.
    turn: u64,
    /// Made when a hash first asks for it.
    table: Option<Table>,
}

impl Pool {
    /// A pool of these hosts; `turn` goes on from the pool that it replaces.
    pub(crate) fn new(
        hosts: Vec<u32>,
        weight: impl Fn(u32) -> u32,
        balancing: Balancing,
        turn: u64,
    ) -> Self {
        let first = hosts.first().map_or(1, |h| weight(*h));
        let equal = hosts.iter().all(|h| weight(*h) == first);
        let mut pool = Pool {
            turn,
            ..Pool::default()
        };
        if !equal && balancing == Balancing::Random {
            let mut end = 0u64;
            pool.shares = hosts
                .iter()
                .map(|h| {
                    end += u64::from(weight(*h));
                    end
                })
                .collect();
        } else if !equal {
            let cycle: u64 = hosts.iter().map(|h| u64::from(weight(*h))).sum();
            let skip = turn % cycle.clamp(1, MOST_SKIPPED);
            pool.schedule = Some(Schedule::new(&hosts, |h| f64::from(weight(h)), skip));
        }
        pool.hosts = hosts;
        pool
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn turn(&self) -> u64 {
        self.turn
    }

    /// The next host.
    pub(crate) fn pick(
        &mut self,
        balancing: Balancing,
        draws: &mut Draws,
        weight: impl Fn(u32) -> u32,
        load: impl Fn(usize) -> u32,
    ) -> Option<u32> {
        match balancing {
            // Without a hash, by none.
            Balancing::Random | Balancing::RingHash { .. } | Balancing::Maglev { .. } => {
                self.at_random(draws)
            }
            Balancing::RoundRobin => match &mut self.schedule {
                Some(schedule) => {
                    self.turn = self.turn.wrapping_add(1);
                    schedule.next(|h| f64::from(weight(h)))
                }
                None => {
                    let at = self.turn.checked_rem(self.hosts.len() as u64)?;
                    self.turn = self.turn.wrapping_add(1);
                    self.hosts.get(at as usize).copied()
                }
            },
            Balancing::LeastRequest { choices } => match &mut self.schedule {
                Some(schedule) => {
                    self.turn = self.turn.wrapping_add(1);
                    schedule.next(|h| f64::from(weight(h)) / (f64::from(load(h as usize)) + 1.0))
                }
                None => self.least_loaded(choices, draws, load),
            },
        }
    }

    /// The host of a hash.
    pub(crate) fn pick_hashed(
        &mut self,
        balancing: Balancing,
        hash: u64,
        attempt: u32,
        weight: impl Fn(u32) -> u32,
        key: impl Fn(u32) -> String,
    ) -> Option<u32> {
        if self.table.is_none() {
            self.table = Table::new(balancing, &self.hosts, weight, key);
        }
        self.table.as_ref()?.pick(hash, attempt)
    }

    fn at_random(&self, draws: &mut Draws) -> Option<u32> {
        let Some(sum) = self.shares.last() else {
            let at = draws.below(self.hosts.len())?;
            return self.hosts.get(at).copied();
        };
        let drawn = draws.below(*sum as usize)? as u64;
        let at = self.shares.partition_point(|end| *end <= drawn);
        self.hosts.get(at).copied()
    }

    /// Draws may be of one host twice; of equals the first drawn stays.
    fn least_loaded(
        &self,
        choices: u32,
        draws: &mut Draws,
        load: impl Fn(usize) -> u32,
    ) -> Option<u32> {
        let mut best = *self.hosts.get(draws.below(self.hosts.len())?)?;
        for _ in 1..choices.max(1) {
            let other = *self.hosts.get(draws.below(self.hosts.len())?)?;
            if load(other as usize) < load(best as usize) {
                best = other;
            }
        }
        Some(best)
    }
}
