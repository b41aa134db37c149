//! The HTTP connection manager.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::Fault;
use crate::route::{RouteTable, TableId};

/// `HttpConnectionManager` compiled.
#[derive(Debug)]
pub struct HttpManager {
    /// Prefix of its statistics.
    pub stat_prefix: Arc<str>,
    /// Which version of HTTP is spoken.
    pub codec: Codec,
    /// Its routes.
    pub routes: Routes,
    /// A line for each request.
    pub access_logs: Vec<Arc<accesslog::AccessLog>>,
    /// What `server` says.
    pub server_name: Arc<str>,
    /// When it says that.
    pub server_header: ServerHeader,
    /// What is done with `x-forwarded-client-cert`.
    pub forward_client_cert: ForwardClientCert,
    /// What is said there of this client.
    pub set_current_client_cert: ClientCertDetails,
    /// The connection's address is the client's (and goes into `x-forwarded-for`).
    pub use_remote_address: bool,
    /// Proxies that are trusted in `x-forwarded-for`.
    pub trusted_hops: u32,
    /// Do not append to `x-forwarded-for`.
    pub skip_xff_append: bool,
    /// A request without `x-request-id` gets one.
    pub generate_request_id: bool,
    /// One from outside is kept.
    pub preserve_external_request_id: bool,
    /// The answer carries it too.
    pub always_set_request_id_in_response: bool,
    /// Dot segments are resolved, backslashes made slashes.
    pub normalize_path: bool,
    /// Several slashes are one.
    pub merge_slashes: bool,
    /// What is done with `%2F` and `%5C` in paths.
    pub escaped_slashes: EscapedSlashes,
    /// Upgrades that pass (`websocket`), lower case.
    pub upgrades: Vec<Box<[u8]>>,
    /// No byte on a stream for so long ends it; zero: never.
    pub stream_idle_timeout: Duration,
    /// The whole request must have come by then; zero: no limit.
    pub request_timeout: Duration,
    /// Its headers must have come by then; zero: no limit.
    pub request_headers_timeout: Duration,
    /// A connection without requests for so long is closed; zero: never (Envoy: one hour).
    pub idle_timeout: Duration,
    /// A connection lives at most so long; zero: for ever.
    pub max_connection_duration: Duration,
    /// A request and its answer take at most so long, unless a route says otherwise; zero: no limit.
    pub max_stream_duration: Duration,
    /// Requests of a connection; 0: no bound.
    pub max_requests_per_connection: u32,
    /// Between the announcement that a connection ends and its end.
    pub drain_timeout: Duration,
    /// KiB of request headers; 60 unless told.
    pub max_request_headers_kib: u32,
    /// Number of request headers; 100 unless told.
    pub max_headers_count: u32,
    /// HTTP/1.0 is answered.
    pub accept_http_10: bool,
    /// HTTP/2: streams at once, windows in bytes.
    pub http2: Http2Options,
    /// Filters that are on.
    pub filters: Filters,
    /// Direction and peer metadata for Istio's metrics.
    pub stats: Option<Reporter>,
    /// `Via` to add; empty: none.
    pub via: Arc<str>,
    /// `Proxy-100-continue`: `100` comes from upstream instead of from here.
    pub proxy_100_continue: bool,
}

impl HttpManager {
    /// Whether its requests go to the workload.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        self.stat_prefix.starts_with("inbound")
    }
}

/// `http2_protocol_options`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Options {
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub max_concurrent_streams: u32,
    /// Of a stream.
    pub initial_stream_window: u32,
    /// Of the connection.
    pub initial_connection_window: u32,
    /// Extended CONNECT.
    pub allow_connect: bool,
}

/// Which side of a request Istio's metrics report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    /// The client's proxy.
    Source,
    /// The server's proxy.
    Destination,
}

/// Which version of HTTP a manager expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// By ALPN, else by the first bytes.
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where routes come from.
#[derive(Debug, Clone)]
pub enum Routes {
    /// They stand in the manager.
    Inline(Arc<RouteTable>),
    /// By RDS.
    Table(TableId),
}

/// `server_header_transformation`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHeader {
    /// Always ours.
    Overwrite,
    /// Ours where the answer has none.
    AppendIfAbsent,
    /// As the answer has it.
    PassThrough,
}

/// `forward_client_cert_details`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardClientCert {
    /// Removed.
    Sanitize,
    /// Passed on where the connection is mutual TLS.
    ForwardOnly,
    /// Passed on with this client's appended, where the connection is mutual TLS.
    AppendForward,
    /// Replaced by this client's, where the connection is mutual TLS.
    SanitizeSet,
    /// Passed on always.
    AlwaysForwardOnly,
}

/// `set_current_client_cert_details`; `By` and `Hash` are always said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCertDetails {
    /// `Subject`
    pub subject: bool,
    /// `Cert`
    pub cert: bool,
    /// `Chain`
    pub chain: bool,
    /// `DNS`
    pub dns: bool,
    /// `URI`
    pub uri: bool,
}

/// `path_with_escaped_slashes_action`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// As they are.
    Keep,
    /// Answered with 400.
    Reject,
    /// Unescaped, and answered with a redirect to the result.
    UnescapeAndRedirect,
    /// Unescaped.
    UnescapeAndForward,
}

/// HTTP filters of a manager, in their fixed order; those that routes configure are off where a route says nothing.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// `istio.alpn`: what is offered upstream by the request's version.
    pub alpn: Option<AlpnOverrides>,
    /// `fault` is there (routes configure it), with what holds where they do not.
    pub fault: Option<Arc<Fault>>,
    /// `cors` is there (routes configure it).
    pub cors: bool,
    /// `grpc_stats` is there.
    pub grpc_stats: bool,
    /// Proxies tell each other of their workloads (Istio's `istio.peer_metadata` or `istio.metadata_exchange`).
    pub peer_metadata: bool,
    /// Router: headers of Envoy (`x-envoy-upstream-service-time`, ...) are left out.
    pub suppress_envoy_headers: bool,
}

/// ALPN offered upstream, by the request's version.
#[derive(Debug, Clone, Default)]
pub struct AlpnOverrides {
    /// For HTTP/1.0.
    pub http10: Arc<[Vec<u8>]>,
    /// For HTTP/1.1.
    pub http11: Arc<[Vec<u8>]>,
    /// For HTTP/2.
    pub http2: Arc<[Vec<u8>]>,
}
