//! What workers hold: for whoever wants to know whether something piles up.

use std::ops::AddAssign;

/// What all workers hold at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Sockets of clients and endpoints.
    pub connections: usize,
    /// Requests under way.
    pub requests: usize,
    /// Places for requests, those of requests that are over and were not given back yet included.
    pub request_slots: usize,
    /// What is due at some time, or was due for something that is over.
    pub timers: usize,
    /// Clusters with a state.
    pub clusters: usize,
    /// Endpoints with a state.
    pub endpoints: usize,
    /// Attempts under way, as the clusters count them.
    pub attempts: u64,
    /// Requests that wait for a connection, as the clusters count them.
    pub pending: u64,
    /// Connections to endpoints, as the clusters count them.
    pub upstream_connections: u64,
    /// Retries under way, as the clusters count them.
    pub retries: u64,
}

impl AddAssign for Held {
    fn add_assign(&mut self, other: Held) {
        self.connections += other.connections;
        self.requests += other.requests;
        self.request_slots += other.request_slots;
        self.timers += other.timers;
        self.clusters += other.clusters;
        self.endpoints += other.endpoints;
        self.attempts += other.attempts;
        self.pending += other.pending;
        self.upstream_connections += other.upstream_connections;
        self.retries += other.retries;
    }
}
