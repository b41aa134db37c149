//! One endpoint and the worker's connections to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use graph::endpoint::Host;

use crate::report::HostReport;
use crate::stream::StreamKey;
use crate::telemetry::Labels;
use crate::upstream::source::Source;

/// One endpoint.
#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) host: Arc<Host>,
    /// Its place among the cluster's hosts.
    pub(crate) at: Cell<usize>,
    /// It is not in the configuration any more: connections end with the requests they were made for.
    pub(crate) left: Cell<bool>,
    /// Requests under way to it.
    pub(crate) active: Cell<u32>,
    /// What is counted of it; what can be seen of it is not in here.
    pub(crate) counts: Cell<HostReport>,
    /// Its pools; few, found by scanning.
    pub(crate) pools: RefCell<Vec<Pool>>,
    /// The first URI name of the certificate that it showed last; empty: it showed none.
    pub(crate) principal: RefCell<Arc<str>>,
    /// Labels of Istio's metrics for requests that go to it.
    pub(crate) labels: RefCell<Labels>,
}

/// What connections must have in common to be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolKey {
    /// The version of HTTP spoken.
    pub(crate) http2: bool,
    /// ALPN as a filter of the listener wants it, not as the cluster has it.
    pub(crate) overridden: bool,
    /// HTTP/1.1 may be carried in HTTP/2, if the endpoint agrees.
    pub(crate) may_carry: bool,
    /// The client whose address they are made from; none: from this host's own.
    pub(crate) source: Option<Source>,
}

/// Connections of one kind to an endpoint and the requests that wait for one.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) key: PoolKey,
    /// Whether the endpoint carried HTTP/1.1 in HTTP/2 on the newest connection; `None`: nobody has asked it yet.
    pub(crate) carries: Option<bool>,
    /// HTTP/2: all that take requests. HTTP/1: those without one.
    pub(crate) ready: Vec<usize>,
    /// Being opened.
    pub(crate) dialing: u32,
    /// Open, with a request or without.
    pub(crate) open: u32,
    /// In the order of their coming, with those that wait no more until they come up or are too many.
    pub(crate) waiting: VecDeque<StreamKey>,
    /// How many of `waiting` wait no more.
    pub(crate) left: usize,
}

/// Places of those that wait no more that a queue keeps at most, beside as many as do wait.
const LEFT: usize = 64;

impl Pool {
    fn new(key: PoolKey) -> Self {
        Pool {
            key,
            carries: None,
            ready: Vec::new(),
            dialing: 0,
            open: 0,
            waiting: VecDeque::new(),
            left: 0,
        }
    }

    /// Whether it is of a client's address, and nothing and nobody is in it.
    fn is_abandoned(&self) -> bool {
        let connections = self.ready.len() + self.dialing as usize + self.open as usize;
        self.key.source.is_some() && connections == 0 && self.waiting.is_empty()
    }

    /// How many wait.
    pub(crate) fn queue(&self) -> usize {
        self.waiting.len().saturating_sub(self.left)
    }

    /// Who waits first, or that there was one who waits no more and has left its place.
    pub(crate) fn first(&mut self, waits: impl FnOnce(&StreamKey) -> bool) -> Option<Next> {
        let key = *self.waiting.front()?;
        if waits(&key) {
            return Some(Next::Waits(key));
        }
        self.waiting.pop_front();
        self.left = self.left.saturating_sub(1);
        Some(Next::Left)
    }

    /// One that stood in the queue waits no more.
    pub(crate) fn left_queue(&mut self, mut waits: impl FnMut(&StreamKey) -> bool) {
        self.left += 1;
        if self.left > LEFT && self.left > self.waiting.len() / 2 {
            self.waiting.retain(|key| waits(key));
            self.left = 0;
            self.waiting.shrink_to(2 * self.waiting.len() + LEFT);
        }
    }
}

/// What came up in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A request that waits.
    Waits(StreamKey),
    /// The place of one that waits no more.
    Left,
}

impl HostState {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        HostState {
            host,
            at: Cell::new(usize::MAX),
            left: Cell::new(false),
            active: Cell::new(0),
            counts: Cell::default(),
            pools: RefCell::default(),
            principal: RefCell::new("".into()),
            labels: RefCell::default(),
        }
    }

    /// Counts something of it.
    pub(crate) fn count(&self, what: impl FnOnce(&mut HostReport)) {
        let mut counts = self.counts.get();
        what(&mut counts);
        self.counts.set(counts);
    }

    /// The pool of a key, made when it is first asked for. There are no more of them for clients' addresses than clients
    /// had connections at a time: one that nobody uses becomes another's.
    pub(crate) fn pool(&self, key: PoolKey) -> usize {
        let mut pools = self.pools.borrow_mut();
        if let Some(found) = pools.iter().position(|pool| pool.key == key) {
            return found;
        }
        let unused = match key.source {
            Some(_) => pools.iter().position(Pool::is_abandoned),
            None => None,
        };
        let pool = Pool::new(key);
        let at = unused.unwrap_or(pools.len());
        match pools.get_mut(at) {
            Some(place) => *place = pool,
            None => pools.push(pool),
        }
        at
    }

    /// Notes whom its certificate names.
    pub(crate) fn is_called(&self, principal: Arc<str>) {
        if *self.principal.borrow() != principal {
            self.principal.replace(principal);
            self.labels.borrow_mut().clear();
        }
    }

    /// Works on a pool.
    pub(crate) fn with<R>(&self, pool: usize, work: impl FnOnce(&mut Pool) -> R) -> Option<R> {
        self.pools.borrow_mut().get_mut(pool).map(work)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use graph::endpoint::{Health, Locality};

    use super::*;

    fn key(client: Option<u8>) -> PoolKey {
        PoolKey {
            http2: false,
            overridden: false,
            may_carry: false,
            source: client.map(|last| Source {
                address: [10, 0, 0, last].into(),
                mark: 1337,
            }),
        }
    }

    #[test]
    fn pools_are_of_one_clients_address_and_an_empty_one_becomes_anothers() {
        let host = HostState::new(Arc::new(Host {
            address: "10.0.0.9:80".parse().unwrap(),
            weight: 1,
            locality: Arc::new(Locality::default()),
            health: Health::Healthy,
            transport: 0,
            workload: None,
            hostname: None,
        }));
        let own = host.pool(key(None));
        let first = host.pool(key(Some(1)));
        host.with(first, |pool| pool.open = 1);
        for client in 2..=255 {
            let pool = host.pool(key(Some(client)));
            assert!(pool != own && pool != first);
            assert_eq!(host.with(pool, |pool| pool.key), Some(key(Some(client))));
        }
        assert_eq!(host.pool(key(Some(1))), first);
        assert_eq!(host.pools.borrow().len(), 3);
    }
}
