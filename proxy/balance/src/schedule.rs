//! Earliest deadline first: hosts in turn, each as often as its weight says, and spread out.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One host's next turn.
#[derive(Debug)]
struct Turn {
    deadline: f64,
    /// Of two with one deadline the one that waits longer goes first.
    order: u64,
    host: u32,
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    /// The earliest is the greatest: the heap has its greatest on top.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .deadline
            .total_cmp(&self.deadline)
            .then_with(|| other.order.cmp(&self.order))
    }
}

/// The turns of the hosts of one pool.
#[derive(Debug)]
pub(crate) struct Schedule {
    turns: BinaryHeap<Turn>,
    order: u64,
}

impl Schedule {
    /// All hosts wait for their first turn; `skip` turns have passed, so that balancers that start together do not
    /// all begin with one host.
    pub(crate) fn new(hosts: &[u32], weight: impl Fn(u32) -> f64, skip: u64) -> Self {
        let turns = hosts.iter().zip(0u64..).map(|(host, order)| Turn {
            deadline: 1.0 / weight(*host),
            order,
            host: *host,
        });
        let mut schedule = Schedule {
            turns: turns.collect(),
            order: hosts.len() as u64,
        };
        for _ in 0..skip {
            schedule.next(&weight);
        }
        schedule
    }

    /// The host whose turn it is; it waits again, as long as `weight` says now.
    pub(crate) fn next(&mut self, weight: impl Fn(u32) -> f64) -> Option<u32> {
        let mut first = self.turns.peek_mut()?;
        let host = first.host;
        first.deadline += 1.0 / weight(host);
        first.order = self.order;
        self.order += 1;
        Some(host)
    }
}
