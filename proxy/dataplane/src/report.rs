//! What workers know of endpoints, as they tell when they are asked.

use std::net::SocketAddr;

use graph::cluster::ClusterId;

/// One worker's part of a cluster; clusters that it has not used are not told of.
#[derive(Debug, Clone)]
pub struct ClusterReport {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its endpoints by address.
    pub hosts: Vec<(SocketAddr, HostReport)>,
}

/// What is counted of an endpoint (Envoy's `HostStats`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostReport {
    /// Connections that are open or being opened.
    pub connections_active: u64,
    /// Connections that were opened, or tried to be.
    pub connections: u64,
    /// Connections that could not be opened.
    pub connect_failures: u64,
    /// Requests under way.
    pub requests_active: u64,
    /// Requests that wait for a connection.
    pub requests_waiting: u64,
    /// Requests that were sent to it, repeated ones too.
    pub requests: u64,
    /// Answers below 500.
    pub requests_succeeded: u64,
    /// Other answers, and attempts that ended without one.
    pub requests_failed: u64,
    /// Attempts that took too long.
    pub requests_timed_out: u64,
    /// Workers that leave it alone for now.
    pub ejecting_workers: u64,
}

impl HostReport {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        let HostReport {
            connections_active,
            connections,
            connect_failures,
            requests_active,
            requests_waiting,
            requests,
            requests_succeeded,
            requests_failed,
            requests_timed_out,
            ejecting_workers,
        } = other;
        self.connections_active += connections_active;
        self.connections += connections;
        self.connect_failures += connect_failures;
        self.requests_active += requests_active;
        self.requests_waiting += requests_waiting;
        self.requests += requests;
        self.requests_succeeded += requests_succeeded;
        self.requests_failed += requests_failed;
        self.requests_timed_out += requests_timed_out;
        self.ejecting_workers += ejecting_workers;
    }

    /// Whether any worker leaves it alone for its failures.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.ejecting_workers > 0
    }
}
