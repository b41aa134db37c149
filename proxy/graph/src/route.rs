//! Route tables.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::ClusterId;
use crate::domains::Domains;
use crate::mutation::Mutations;
use crate::policy::{Cors, Fault, Retry};
use crate::text::TextMatcher;

/// Number of a route table's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u32);

impl TableId {
    /// Place in [`crate::Graph::tables`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A route table (`RouteConfiguration`).
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Its name.
    pub name: Arc<str>,
    /// Virtual hosts by exact domain, lower case.
    pub exact: Domains,
    /// `*.suffix` domains (kept as `.suffix`), longest first.
    pub suffixes: Vec<(Box<[u8]>, Arc<VirtualHost>)>,
    /// `prefix.*` domains (kept as `prefix.`), longest first.
    pub prefixes: Vec<(Box<[u8]>, Arc<VirtualHost>)>,
    /// The virtual host of `*`.
    pub default: Option<Arc<VirtualHost>>,
    /// A port in the request's host is not compared.
    pub ignore_port: bool,
    /// Changes for all routes.
    pub request: Mutations,
    /// Changes for all routes.
    pub response: Mutations,
    /// Which level's changes come last: `most_specific_header_mutations_wins`.
    pub most_specific_wins: bool,
}

/// A virtual host.
#[derive(Debug, Default)]
pub struct VirtualHost {
    /// Its name.
    pub name: Arc<str>,
    /// Routes in order; the first that matches is it.
    pub routes: Vec<Arc<Route>>,
    /// Changes for all routes.
    pub request: Mutations,
    /// Changes for all routes.
    pub response: Mutations,
    /// Plaintext is answered by a redirect to https (`require_tls`).
    pub require_tls: bool,
    /// `x-envoy-attempt-count` goes with requests.
    pub include_attempt_count: bool,
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its name, which access logs print.
    pub name: Arc<str>,
    /// When it applies; most routes share this.
    pub on: Arc<RouteMatch>,
    /// What it does.
    pub action: Action,
    /// Changes to the request.
    pub request: Mutations,
    /// Changes to the answer.
    pub response: Mutations,
    /// Fault of this route, in place of the manager's.
    pub fault: Option<Arc<Fault>>,
    /// CORS of this route.
    pub cors: Option<Arc<Cors>>,
}

/// Conditions of a route.
#[derive(Debug, PartialEq)]
pub struct RouteMatch {
    /// On the path, without query.
    pub path: PathMatch,
    /// All must hold.
    pub headers: Vec<HeaderCondition>,
    /// All must hold.
    pub query: Vec<QueryCondition>,
    /// Only requests of gRPC.
    pub grpc: bool,
    /// In so many of a million requests; `None`: all.
    pub fraction: Option<u32>,
    /// TLS with a client certificate was presented / was not.
    pub client_certificate: Option<bool>,
}

/// A condition on the path.
#[derive(Debug)]
pub enum PathMatch {
    /// Its beginning.
    Prefix(Box<[u8]>, Case),
    /// All of it.
    Exact(Box<[u8]>, Case),
    /// A whole-path expression.
    Regex(regex::bytes::Regex),
    /// A beginning that ends at a `/` or at the path's end.
    SeparatedPrefix(Box<[u8]>, Case),
    /// A `CONNECT` request.
    Connect,
}

impl PartialEq for PathMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(a, a_case), Self::Prefix(b, b_case))
            | (Self::Exact(a, a_case), Self::Exact(b, b_case))
            | (Self::SeparatedPrefix(a, a_case), Self::SeparatedPrefix(b, b_case)) => {
                a == b && a_case == b_case
            }
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Connect, Self::Connect) => true,
            _ => false,
        }
    }
}

/// Whether case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// It does.
    Sensitive,
    /// It does not.
    Insensitive,
}

/// A condition on a header (`HeaderMatcher`). Of several fields of one name any one may hold.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderCondition {
    /// Lower case.
    pub name: Box<[u8]>,
    /// On its value.
    pub on: HeaderTest,
    /// Holds where the test does not.
    pub invert: bool,
    /// A missing header is an empty value.
    pub missing_as_empty: bool,
}

/// The test of a header condition.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderTest {
    /// It is there (`true`) or not.
    Present(bool),
    /// Its text.
    Text(TextMatcher),
    /// A number from the first up to, without, the second.
    Range(i64, i64),
}

/// A condition on a query parameter.
#[derive(Debug, PartialEq)]
pub struct QueryCondition {
    /// Its name.
    pub name: Box<[u8]>,
    /// On its value; `None`: it is there.
    pub on: Option<TextMatcher>,
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// Sends the request on.
    Forward(Box<Forward>),
    /// Answers with a redirect.
    Redirect(Box<Redirect>),
    /// Answers.
    Respond {
        /// With this status
        status: u16,
        /// and this body.
        body: Arc<[u8]>,
    },
}

/// `RouteAction` compiled.
#[derive(Debug)]
pub struct Forward {
    /// Where to.
    pub target: Target,
    /// How; most routes share this.
    pub how: Arc<Forwarding>,
}

/// What a `RouteAction` says besides where to.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarding {
    /// What is answered when the cluster is not there: 503 or 404.
    pub cluster_not_found: u16,
    /// From the request's end to the answer's end; zero: no limit.
    pub timeout: Duration,
    /// Upper bound on what `grpc-timeout` asks for; `None`: the header is not read; zero: no bound.
    pub max_grpc_timeout: Option<Duration>,
    /// From the request's beginning to the answer's end (`max_stream_duration`); zero: no limit; `None`: as the manager
    /// says.
    pub max_stream_duration: Option<Duration>,
    /// Upper bound on what `grpc-timeout` asks for in place of that (`grpc_timeout_header_max`); `None`: the header
    /// is not read for it; zero: no bound.
    pub grpc_timeout_header_max: Option<Duration>,
    /// Without a byte for so long; `None`: as the manager says; zero: for ever.
    pub idle_timeout: Option<Duration>,
    /// What is tried again.
    pub retry: Option<Arc<Retry>>,
    /// The new path.
    pub path: PathRewrite,
    /// The new authority.
    pub host: HostRewrite,
    /// Copies.
    pub mirrors: Vec<Mirror>,
    /// What of a request chooses its host, where the cluster hashes.
    pub hash: Vec<HashPolicy>,
    /// Upgrades allowed or refused here besides the manager's: name, allowed.
    pub upgrades: Vec<(Box<[u8]>, bool)>,
}

/// Where a request is sent.
#[derive(Debug)]
pub enum Target {
    /// To one cluster.
    Cluster(ClusterId),
    /// To one of several.
    Weighted {
        /// Clusters in order.
        clusters: Vec<WeightedCluster>,
        /// Sum of the weights.
        total: u32,
    },
    /// To the cluster that a header names.
    Header(Box<[u8]>),
}

/// One of several clusters.
#[derive(Debug)]
pub struct WeightedCluster {
    /// Which.
    pub cluster: ClusterId,
    /// Its share of the total.
    pub weight: u32,
    /// Changes to the request.
    pub request: Mutations,
    /// Changes to the answer.
    pub response: Mutations,
    /// The new authority.
    pub host: HostRewrite,
}

/// How the path changes.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// Not.
    None,
    /// The matched beginning is replaced (for an exact match: the path).
    Prefix(Box<[u8]>),
    /// Matches are replaced; `\1` names a group, already in the form that `regex` reads.
    Regex(regex::bytes::Regex, Box<[u8]>),
}

impl PartialEq for PathRewrite {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex(a, a_by), Self::Regex(b, b_by)) => {
                a.as_str() == b.as_str() && a_by == b_by
            }
            _ => false,
        }
    }
}

/// How the authority changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRewrite {
    /// Not.
    None,
    /// To this.
    Literal(Box<[u8]>),
    /// To the chosen host's name, where it was found by DNS.
    Auto,
    /// To what a header says.
    Header(Box<[u8]>),
}

/// A part of a request's hash (`RouteAction.HashPolicy`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashPolicy {
    /// What is hashed.
    pub of: HashOf,
    /// Where it is there, no policy after this one counts.
    pub terminal: bool,
}

/// What is hashed of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOf {
    /// A header's values.
    Header(Box<[u8]>),
    /// A cookie's value.
    Cookie {
        /// Its name.
        name: Box<[u8]>,
        /// Where it is sent back, of one that is made here; empty: not said.
        path: Box<str>,
        /// How long one that is made here lives, zero: as long as the client's session; `None`: none is made.
        ttl: Option<Duration>,
    },
    /// The client's address.
    SourceIp,
    /// A query parameter's first value.
    Query(Box<[u8]>),
}

/// A copy of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// Where to.
    pub cluster: ClusterId,
    /// How many of a million.
    pub fraction: u32,
    /// `-shadow` is appended to the host's name.
    pub marks_host: bool,
}

/// `RedirectAction` compiled.
#[derive(Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// New scheme.
    pub scheme: Option<Box<str>>,
    /// `https_redirect`
    pub https: bool,
    /// New host.
    pub host: Option<Box<str>>,
    /// New port.
    pub port: Option<u16>,
    /// New path.
    pub path: RedirectPath,
    /// Leave the query out.
    pub strip_query: bool,
}

/// How the path of a redirect is made.
#[derive(Debug)]
pub enum RedirectPath {
    /// Kept.
    Same,
    /// This one.
    Whole(Box<[u8]>),
    /// The matched beginning is replaced.
    Prefix(Box<[u8]>),
    /// Matches are replaced.
    Regex(regex::bytes::Regex, Box<[u8]>),
}
