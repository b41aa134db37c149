//! Clusters: named groups of endpoints and how they are spoken to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoints;
use crate::tls::{Secured, UpstreamTls};

/// Number of a cluster's name; it stays the same for the name as long as the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u32);

impl ClusterId {
    /// Place in [`crate::Graph::clusters`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A cluster (`config.cluster.v3.Cluster`).
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its number.
    pub id: ClusterId,
    /// Its name, which access logs print.
    pub name: Arc<str>,
    /// What most clusters have in common, and share.
    pub settings: Arc<Settings>,
    /// The endpoints (none for `OriginalDestination`). `None`: they have not come yet.
    pub endpoints: Option<Arc<Endpoints>>,
    /// How bytes go: a host names one of these by index. Never empty.
    pub transports: Vec<UpstreamTransport>,
    /// Istio's metadata: the services behind it.
    pub services: Vec<ServiceName>,
}

/// What of a cluster is neither its name nor its endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How its endpoints are found.
    pub discovery: Discovery,
    /// How one is chosen.
    pub balancing: Balancing,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// Bounds on what is under way at once.
    pub limits: Limits,
    /// When a failing host is left alone.
    pub outlier: Option<Outlier>,
    /// The version of HTTP spoken to it.
    pub protocol: UpstreamProtocol,
    /// A connection without a request for so long is closed; zero: never. Envoy's default is one hour.
    pub idle_timeout: Duration,
    /// A connection takes requests for at most so long; zero: for ever.
    pub max_connection_duration: Duration,
    /// A request and its answer take at most so long on a connection; zero: no limit.
    pub max_stream_duration: Duration,
    /// Requests after which a connection is replaced; 0: no bound.
    pub max_requests_per_connection: u32,
    /// Source address of connections (Istio's 127.0.0.6 for what goes to the workload itself).
    pub bind: Option<IpAddr>,
    /// Keep-alive probes of TCP.
    pub keepalive: Option<Keepalive>,
}

/// How endpoints are found (`Cluster.DiscoveryType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// They stand in the cluster.
    Static,
    /// By EDS.
    Eds,
    /// Each request or connection goes where it was made to.
    OriginalDestination,
    /// All addresses that a name has.
    StrictDns,
    /// The first address that a name has when a connection is made.
    LogicalDns,
}

/// How a host is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancing {
    /// In turn, by weight.
    RoundRobin,
    /// The one of two at random with fewer requests under way (weights as Envoy applies them).
    LeastRequest {
        /// How many are drawn; 2 unless told.
        choices: u32,
    },
    /// At random, by weight.
    Random,
    /// By the request's hash on a ring of points, several for each host.
    RingHash {
        /// Points at least; 1024 unless told.
        minimum: u32,
        /// Points at most; 8 Mi unless told.
        maximum: u32,
    },
    /// By the request's hash in a table that hosts fill by turns.
    Maglev {
        /// Its size, a prime; 65537 unless told.
        size: u32,
    },
}

impl Balancing {
    /// Whether a request's hash chooses.
    #[must_use]
    pub fn is_hashed(self) -> bool {
        matches!(self, Self::RingHash { .. } | Self::Maglev { .. })
    }
}

/// `circuit_breakers` of the default priority. `u32::MAX` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests under way.
    pub requests: u32,
    /// Retries under way; where `retry_budget` is set, that counts instead.
    pub retries: u32,
    /// Retries as a share of requests under way.
    pub retry_budget: Option<RetryBudget>,
}

/// A bound on retries that grows with the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// In hundredths of a percent of requests under way.
    pub basis_points: u32,
    /// Always allowed.
    pub minimum: u32,
}

/// Passive ejection (`config.cluster.v3.OutlierDetection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlier {
    /// 5xx answers in a row that eject; `None`: not looked at.
    pub consecutive_5xx: Option<u32>,
    /// 502, 503, 504 in a row.
    pub consecutive_gateway: Option<u32>,
    /// Failures to connect and the like in a row, where they are counted apart.
    pub consecutive_local_origin: Option<u32>,
    /// Count failures that arise here apart from answers.
    pub split_local_origin: bool,
    /// How often ejections end or go on.
    pub interval: Duration,
    /// The first ejection's time; each further one adds as much.
    pub base_ejection: Duration,
    /// The longest.
    pub max_ejection: Duration,
    /// Percent of hosts that may be out at once.
    pub max_ejection_percent: u32,
    /// Percent of hosts that must be in, else all take load (panic); 0: never panic.
    pub panic_percent: u32,
}

/// The version of HTTP spoken upstream (`HttpProtocolOptions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
    /// What the client spoke.
    Downstream,
}

/// One way to send bytes to a host.
#[derive(Debug, Clone)]
pub enum UpstreamTransport {
    /// As they are.
    Raw,
    /// By TLS.
    Tls(Secured<UpstreamTls>),
}

/// A service behind a cluster (metadata `istio.services`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName {
    /// `reviews.default.svc.cluster.local`
    pub host: Arc<str>,
    /// `reviews`
    pub name: Arc<str>,
    /// `default`
    pub namespace: Arc<str>,
}

/// TCP keep-alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Unanswered probes that end a connection.
    pub probes: Option<u32>,
    /// Idle time before the first.
    pub time: Option<Duration>,
    /// Between two.
    pub interval: Option<Duration>,
}
