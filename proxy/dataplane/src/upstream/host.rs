//! One endpoint and the worker's connections to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use graph::endpoint::Host;

use crate::report::HostReport;
use crate::stream::StreamKey;
use crate::telemetry::Labels;

/// One endpoint.
#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) host: Arc<Host>,
    /// Its place among the cluster's hosts.
    pub(crate) at: Cell<usize>,
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

    /// The pool of a key, made when it is first asked for.
    pub(crate) fn pool(&self, key: PoolKey) -> usize {
        let mut pools = self.pools.borrow_mut();
        if let Some(found) = pools.iter().position(|pool| pool.key == key) {
            return found;
        }
        pools.push(Pool {
            key,
            carries: None,
            ready: Vec::new(),
            dialing: 0,
            open: 0,
            waiting: VecDeque::new(),
            left: 0,
        });
        pools.len() - 1
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
