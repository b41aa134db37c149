//! VirtualService: how requests to a host are matched, changed and sent on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::{Percent, PortSelector};

/// `VirtualService.spec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualServiceSpec {
    /// Hosts whose traffic this routes; a short name is of this object's namespace.
    pub hosts: Vec<String>,
    /// Gateways it applies to; `mesh` or none at all means the sidecars.
    pub gateways: Vec<String>,
    /// HTTP and gRPC routes, first match wins.
    pub http: Vec<HttpRoute>,
    /// Routes of passed-through TLS by server name.
    pub tls: Vec<TlsRoute>,
    /// Routes of plain TCP.
    pub tcp: Vec<TcpRoute>,
    /// Namespaces that see this object; `.` its own, `*` all, none at all means the mesh default.
    pub export_to: Vec<String>,
}

/// `HTTPRoute`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRoute {
    /// Appears in the access log as the route name.
    pub name: String,
    /// Any one of these must match; none at all matches everything.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatchRequest>,
    /// Weighted destinations.
    pub route: Vec<HttpRouteDestination>,
    /// Answer with a redirect instead.
    pub redirect: Option<HttpRedirect>,
    /// Answer with a fixed response instead.
    pub direct_response: Option<HttpDirectResponse>,
    /// Take the routes of another VirtualService.
    pub delegate: Option<Delegate>,
    /// Change path or authority on the way.
    pub rewrite: Option<HttpRewrite>,
    /// For the whole request with its retries; none means no limit.
    pub timeout: Option<GoDuration>,
    /// Retry policy; none means the mesh default.
    pub retries: Option<HttpRetry>,
    /// Injected delays and aborts.
    pub fault: Option<HttpFaultInjection>,
    /// Copy of the traffic to one more destination.
    pub mirror: Option<Destination>,
    /// Share of the traffic that `mirror` copies.
    pub mirror_percentage: Option<Percent>,
    /// Deprecated form of `mirrorPercentage`.
    #[serde(alias = "mirror_percent")]
    pub mirror_percent: Option<u32>,
    /// Copies to several destinations.
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// Cross-origin policy.
    pub cors_policy: Option<CorsPolicy>,
    /// Header changes.
    pub headers: Option<Headers>,
}

/// `StringMatch`: at most one of the three is set; none set means "present".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StringMatch {
    /// Equal, case-sensitive.
    pub exact: Option<String>,
    /// Begins with.
    pub prefix: Option<String>,
    /// RE2 expression for the whole value.
    pub regex: Option<String>,
}

/// `HTTPMatchRequest`: all conditions that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpMatchRequest {
    /// Added to the route's name with a dot.
    pub name: String,
    /// Path without the query.
    pub uri: Option<StringMatch>,
    /// `:scheme`.
    pub scheme: Option<StringMatch>,
    /// `:method`.
    pub method: Option<StringMatch>,
    /// `:authority`.
    pub authority: Option<StringMatch>,
    /// Header name (lower case) to condition.
    pub headers: BTreeMap<String, StringMatch>,
    /// The service's port that was called.
    pub port: Option<u16>,
    /// Labels of the calling workload.
    pub source_labels: BTreeMap<String, String>,
    /// Overrides the gateways of the whole object.
    pub gateways: Vec<String>,
    /// Query parameter name to condition.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Exact and prefix path matches ignore case.
    pub ignore_uri_case: bool,
    /// Headers that must not match.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Namespace of the calling workload.
    pub source_namespace: String,
    /// Prefix of per-route statistics.
    pub stat_prefix: String,
}

/// `HTTPRouteDestination`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share of requests, relative to the sum over the route; 0 with others set means none.
    pub weight: u32,
    /// Header changes for this destination only.
    pub headers: Option<Headers>,
}

/// `Destination`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// A service; a short name is of the VirtualService's namespace.
    pub host: String,
    /// A subset named in the host's DestinationRule; empty means the whole service.
    pub subset: String,
    /// May be left out where the service has one port only.
    pub port: Option<PortSelector>,
}

/// `Headers`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    /// On the way to the destination.
    pub request: Option<HeaderOperations>,
    /// On the way back.
    pub response: Option<HeaderOperations>,
}

/// `Headers.HeaderOperations`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderOperations {
    /// Overwrite.
    pub set: BTreeMap<String, String>,
    /// Append.
    pub add: BTreeMap<String, String>,
    /// Remove.
    pub remove: Vec<String>,
}

/// `HTTPRedirect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRedirect {
    /// Replaces the whole path, or with `%PREFIX()%` handling the matched prefix.
    pub uri: String,
    /// Replaces the authority.
    pub authority: String,
    /// Replaces the port.
    pub port: Option<u16>,
    /// `FROM_PROTOCOL_DEFAULT` or `FROM_REQUEST_PORT`.
    pub derive_port: Option<DerivePort>,
    /// Replaces the scheme.
    pub scheme: String,
    /// 301, 302, 303, 307 or 308; 0 means 301.
    pub redirect_code: u32,
    /// Replaces the matched prefix.
    pub prefix_rewrite: String,
}

/// `HTTPRedirect.RedirectPortSelection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DerivePort {
    /// 80 for http, 443 for https.
    FromProtocolDefault,
    /// The port of the request.
    FromRequestPort,
}

/// `HTTPDirectResponse`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpDirectResponse {
    /// 200 to 599.
    pub status: u32,
    /// The body, if any.
    pub body: Option<HttpBody>,
}

/// `HTTPBody`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpBody {
    /// As text.
    pub string: Option<String>,
    /// As base64.
    pub bytes: Option<String>,
}

/// `Delegate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delegate {
    /// Name of the VirtualService.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// `HTTPRewrite`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRewrite {
    /// Replaces the path, or the prefix that was matched.
    pub uri: String,
    /// Replaces the authority.
    pub authority: String,
    /// Replaces what a regular expression finds.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// `RegexRewrite`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegexRewrite {
    /// RE2 expression.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Substitution with `\1`.
    pub rewrite: String,
}

/// `HTTPRetry`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRetry {
    /// Retries after the first try; 0 turns retries off.
    pub attempts: i32,
    /// Limit of each try.
    pub per_try_timeout: Option<GoDuration>,
    /// Comma-separated conditions and status codes.
    pub retry_on: String,
    /// May a retry leave the locality?
    pub retry_remote_localities: Option<bool>,
    /// Avoid hosts already tried; default true.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// Base interval between tries.
    pub backoff: Option<GoDuration>,
}

/// `HTTPFaultInjection`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpFaultInjection {
    /// Wait before forwarding.
    pub delay: Option<FaultDelay>,
    /// Answer with an error.
    pub abort: Option<FaultAbort>,
}

/// `HTTPFaultInjection.Delay`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FaultDelay {
    /// Always as long.
    pub fixed_delay: Option<GoDuration>,
    /// Mean of an exponential distribution; never implemented by Istio.
    pub exponential_delay: Option<GoDuration>,
    /// Share of requests.
    pub percentage: Option<Percent>,
    /// Deprecated form of `percentage`.
    pub percent: Option<i32>,
}

/// `HTTPFaultInjection.Abort`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FaultAbort {
    /// HTTP status code.
    pub http_status: Option<u32>,
    /// gRPC status by name or number.
    pub grpc_status: Option<String>,
    /// Never implemented by Istio.
    pub http2_error: Option<String>,
    /// Share of requests.
    pub percentage: Option<Percent>,
}

/// `HTTPMirrorPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpMirrorPolicy {
    /// Where the copy goes.
    pub destination: Destination,
    /// Share of requests; none means all.
    pub percentage: Option<Percent>,
}

/// `CorsPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CorsPolicy {
    /// Deprecated exact origins.
    pub allow_origin: Vec<String>,
    /// Origins allowed.
    pub allow_origins: Vec<StringMatch>,
    /// Methods allowed.
    pub allow_methods: Vec<String>,
    /// Request headers allowed.
    pub allow_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a preflight answer may be kept.
    pub max_age: Option<GoDuration>,
    /// May credentials be sent?
    pub allow_credentials: Option<bool>,
    /// Are preflights of other origins forwarded?
    pub unmatched_preflights: Option<UnmatchedPreflights>,
}

/// `CorsPolicy.UnmatchedPreflights`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// The default, which is to forward.
    Unspecified,
    /// To the destination.
    Forward,
    /// Answered here.
    Ignore,
}

/// `TLSRoute`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsRoute {
    /// Any one must match.
    #[serde(rename = "match")]
    pub matches: Vec<TlsMatchAttributes>,
    /// Weighted destinations.
    pub route: Vec<RouteDestination>,
}

/// `TLSMatchAttributes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsMatchAttributes {
    /// Server names, possibly with a leading `*`.
    pub sni_hosts: Vec<String>,
    /// Addresses called.
    pub destination_subnets: Vec<String>,
    /// Port called.
    pub port: Option<u16>,
    /// Labels of the calling workload.
    pub source_labels: BTreeMap<String, String>,
    /// Overrides the gateways of the whole object.
    pub gateways: Vec<String>,
    /// Namespace of the calling workload.
    pub source_namespace: String,
}

/// `TCPRoute`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpRoute {
    /// Any one must match; none at all matches everything.
    #[serde(rename = "match")]
    pub matches: Vec<L4MatchAttributes>,
    /// Weighted destinations.
    pub route: Vec<RouteDestination>,
}

/// `L4MatchAttributes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct L4MatchAttributes {
    /// Addresses called.
    pub destination_subnets: Vec<String>,
    /// Port called.
    pub port: Option<u16>,
    /// Addresses of the caller.
    pub source_subnet: String,
    /// Labels of the calling workload.
    pub source_labels: BTreeMap<String, String>,
    /// Overrides the gateways of the whole object.
    pub gateways: Vec<String>,
    /// Namespace of the calling workload.
    pub source_namespace: String,
}

/// `RouteDestination`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share of connections.
    pub weight: u32,
}
