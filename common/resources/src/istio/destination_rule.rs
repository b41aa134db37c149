//! DestinationRule: what holds on the way to a host once a route has chosen it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::{PortSelector, WorkloadSelector};

/// `DestinationRule.spec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationRuleSpec {
    /// The service; a short name is of this object's namespace.
    pub host: String,
    /// For all subsets and ports that say nothing else.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the service.
    pub subsets: Vec<Subset>,
    /// Namespaces that see this object.
    pub export_to: Vec<String>,
    /// The calling workloads that this speaks of.
    pub workload_selector: Option<WorkloadSelector>,
}

/// `Subset`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subset {
    /// As routes name it.
    pub name: String,
    /// Labels that its endpoints carry.
    pub labels: BTreeMap<String, String>,
    /// Overrides the policy of the whole host, block by block.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// `TrafficPolicy`, also the form of `portLevelSettings` entries (`PortTrafficPolicy`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficPolicy {
    /// In `portLevelSettings` only: the service's port.
    pub port: Option<PortSelector>,
    /// How an endpoint is picked.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// Ejection of failing endpoints.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the endpoints.
    pub tls: Option<ClientTlsSettings>,
    /// Policies by port; a block set here replaces the wider one whole.
    pub port_level_settings: Vec<TrafficPolicy>,
    /// Tunnelling through a proxy.
    pub tunnel: Option<TunnelSettings>,
    /// PROXY protocol towards the endpoints.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Share of requests that may be retries.
    pub retry_budget: Option<RetryBudget>,
}

/// `LoadBalancerSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerSettings {
    /// A standard algorithm.
    pub simple: Option<SimpleLb>,
    /// By a hash of the request.
    pub consistent_hash: Option<ConsistentHashLb>,
    /// Locality weights and failover.
    pub locality_lb_setting: Option<serde_json::Value>,
    /// Gradual traffic for new endpoints.
    pub warmup: Option<Warmup>,
    /// Deprecated form of `warmup`.
    pub warmup_duration_secs: Option<GoDuration>,
    /// Zone-aware balancing.
    pub zone_aware_lb_setting: Option<serde_json::Value>,
    /// Balancing by reported load.
    pub backend_utilization: Option<serde_json::Value>,
}

/// `LoadBalancerSettings.SimpleLB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// Istio's choice, which is least request.
    Unspecified,
    /// Deprecated name of least request.
    LeastConn,
    /// Uniformly at random.
    Random,
    /// To the original address, unbalanced.
    Passthrough,
    /// In turn.
    RoundRobin,
    /// The less loaded of two.
    LeastRequest,
}

/// `LoadBalancerSettings.ConsistentHashLB`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsistentHashLb {
    /// Hash this header.
    pub http_header_name: Option<String>,
    /// Hash this cookie, made where it is missing.
    pub http_cookie: Option<HttpCookie>,
    /// Hash the caller's address.
    pub use_source_ip: Option<bool>,
    /// Hash this query parameter.
    pub http_query_parameter_name: Option<String>,
    /// Ring hash.
    pub ring_hash: Option<RingHash>,
    /// Maglev.
    pub maglev: Option<Maglev>,
    /// Deprecated form of `ringHash`.
    pub minimum_ring_size: Option<u64>,
}

/// `HTTPCookie`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpCookie {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Its life; zero means a session cookie.
    pub ttl: Option<GoDuration>,
    /// Further attributes of the cookie.
    pub attributes: Vec<serde_json::Value>,
}

/// `RingHash`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RingHash {
    /// Least number of entries; 0 means 1024.
    pub minimum_ring_size: u64,
}

/// `MagLev`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Maglev {
    /// A prime; 0 means 65537.
    pub table_size: u64,
}

/// `WarmupConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Warmup {
    /// Length of the window.
    pub duration: Option<GoDuration>,
    /// Share of full traffic at the start, 0 to 100; none means 10.
    pub minimum_percent: Option<f64>,
    /// Speed of the increase, 1.0 is linear.
    pub aggression: Option<f64>,
}

/// `ConnectionPoolSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionPoolSettings {
    /// Of connections.
    pub tcp: Option<TcpSettings>,
    /// Of requests.
    pub http: Option<HttpSettings>,
}

/// `ConnectionPoolSettings.TCPSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpSettings {
    /// Most connections to the host.
    pub max_connections: Option<u32>,
    /// None means the mesh's (10 s).
    pub connect_timeout: Option<GoDuration>,
    /// Keep-alive probes.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Longest life of a connection.
    pub max_connection_duration: Option<GoDuration>,
    /// Longest silence on a TCP connection.
    pub idle_timeout: Option<GoDuration>,
}

/// `ConnectionPoolSettings.TCPSettings.TcpKeepalive`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpKeepalive {
    /// Lost probes until the connection is dead.
    pub probes: Option<u32>,
    /// Silence before the first probe.
    pub time: Option<GoDuration>,
    /// Between probes.
    pub interval: Option<GoDuration>,
}

/// `ConnectionPoolSettings.HTTPSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpSettings {
    /// Most requests waiting for a connection.
    pub http1_max_pending_requests: Option<u32>,
    /// Most requests in flight.
    pub http2_max_requests: Option<u32>,
    /// Requests until a connection is replaced.
    pub max_requests_per_connection: Option<u32>,
    /// Most retries in flight.
    pub max_retries: Option<u32>,
    /// Longest life of a connection without requests.
    pub idle_timeout: Option<GoDuration>,
    /// Is HTTP/1.1 upgraded to HTTP/2?
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    /// Keep the caller's protocol.
    pub use_client_protocol: Option<bool>,
    /// Most streams on one HTTP/2 connection.
    pub max_concurrent_streams: Option<u32>,
    /// HTTP/2 PING probes.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// `HTTPSettings.H2UpgradePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// As the mesh says.
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// `HTTPSettings.HTTP2KeepAlive`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Http2KeepAlive {
    /// Between PINGs.
    pub interval: Option<GoDuration>,
    /// Time for the answer.
    pub timeout: Option<GoDuration>,
}

/// `OutlierDetection`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutlierDetection {
    /// Deprecated form of `consecutiveGatewayErrors`.
    pub consecutive_errors: Option<u32>,
    /// Count local failures apart.
    pub split_external_local_origin_errors: Option<bool>,
    /// Local failures until ejection.
    pub consecutive_local_origin_failures: Option<u32>,
    /// 502, 503, 504 until ejection; 0 turns it off.
    pub consecutive_gateway_errors: Option<u32>,
    /// 5xx until ejection; 0 turns it off.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// Between sweeps.
    pub interval: Option<GoDuration>,
    /// Shortest ejection.
    pub base_ejection_time: Option<GoDuration>,
    /// Most of the endpoints that may be out at once.
    pub max_ejection_percent: Option<u32>,
    /// Below this share of healthy endpoints, ejection is ignored.
    pub min_health_percent: Option<u32>,
    /// Codes that count as errors.
    pub outlier_detection_http_error_codes: Vec<serde_json::Value>,
}

/// `ClientTLSSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientTlsSettings {
    /// What TLS is spoken.
    pub mode: ClientTlsMode,
    /// File of the client's chain.
    pub client_certificate: String,
    /// File of the client's key.
    pub private_key: String,
    /// File of the roots.
    pub ca_certificates: String,
    /// File of the revocation list.
    pub ca_crl: String,
    /// Secret with key, chain and roots.
    pub credential_name: String,
    /// Names that the server must have.
    pub subject_alt_names: Vec<String>,
    /// Server name sent.
    pub sni: String,
    /// Skip verification of the server.
    pub insecure_skip_verify: Option<bool>,
}

/// `ClientTLSSettings.TLSmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// Plaintext.
    #[default]
    Disable,
    /// TLS without a client certificate.
    Simple,
    /// TLS with the certificate files named.
    Mutual,
    /// Mutual TLS with the mesh's certificates.
    IstioMutual,
}

/// `TrafficPolicy.TunnelSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TunnelSettings {
    /// `CONNECT` or `POST`.
    pub protocol: String,
    /// Host beyond the proxy.
    pub target_host: String,
    /// Its port.
    pub target_port: u16,
}

/// `TrafficPolicy.ProxyProtocol`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyProtocol {
    /// `V1` or `V2`.
    pub version: String,
}

/// `TrafficPolicy.RetryBudget`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryBudget {
    /// Share of requests in flight, 0 to 100; none means 20.
    pub percent: Option<f64>,
    /// Window that is looked at.
    pub budget_interval: Option<GoDuration>,
    /// Retries always allowed; none means 3.
    pub min_retry_concurrency: Option<u32>,
}
