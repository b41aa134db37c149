//! What is known of a request or connection when its line is written.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use headers::Headers;

use crate::Flags;

/// One request, or one connection of bytes. Everything is borrowed: an entry is made where the line is written.
///
/// Durations are measured from `start`, as Envoy's stream info keeps them.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When its first byte came.
    pub start: SystemTime,
    /// The request as it goes upstream (after changes), as Envoy logs it.
    pub request: Option<&'a Headers>,
    /// The answer.
    pub response: Option<&'a Headers>,
    /// Its trailers.
    pub trailers: Option<&'a Headers>,
    /// The client's version of HTTP; none for bytes.
    pub protocol: Option<Protocol>,
    /// Status sent; 0: none was.
    pub response_code: u16,
    /// `via_upstream`, `route_not_found`, ...; empty: none.
    pub response_code_details: &'a str,
    /// What went wrong.
    pub flags: Flags,
    /// Why the connection ended; empty: none.
    pub connection_termination_details: &'a str,
    /// Bytes of the request's body, or from the client.
    pub bytes_received: u64,
    /// Bytes of the answer's body, or to the client.
    pub bytes_sent: u64,
    /// From start to end.
    pub duration: Duration,
    /// From start to the request's last byte.
    pub request_duration: Option<Duration>,
    /// From start to the request's last byte sent upstream.
    pub request_sent_duration: Option<Duration>,
    /// From start to the answer's first byte.
    pub response_duration: Option<Duration>,
    /// From start to the answer's last byte from the endpoint.
    pub response_received_duration: Option<Duration>,
    /// From start to the answer's last byte sent to the client.
    pub response_sent_duration: Option<Duration>,
    /// The route's name; empty: none.
    pub route_name: &'a str,
    /// The client's connection.
    pub downstream: Downstream<'a>,
    /// The endpoint and the connection to it.
    pub upstream: Upstream<'a>,
}

/// The client's connection.
#[derive(Debug, Clone, Copy)]
pub struct Downstream<'a> {
    /// The listener's name; empty: none.
    pub listener_name: &'a str,
    /// The filter chain's name; empty: none.
    pub filter_chain_name: &'a str,
    /// Number of the connection.
    pub connection_id: u64,
    /// Where the client meant to connect to: the original destination where it was redirected.
    pub local_address: SocketAddr,
    /// The address at which the connection was accepted.
    pub direct_local_address: SocketAddr,
    /// The client, after `x-forwarded-for` is understood.
    pub remote_address: SocketAddr,
    /// The connection's own other end.
    pub direct_remote_address: SocketAddr,
    /// SNI as [`crate::shown_server_name`] gives it; empty: none.
    pub requested_server_name: &'a str,
    /// Its TLS, where there is any.
    pub tls: Option<Tls<'a>>,
    /// Why TLS with the client failed; empty: it did not.
    pub transport_failure_reason: &'a str,
    /// Bytes read from the connection for this request, framing included.
    pub wire_bytes_received: u64,
    /// Bytes written to the connection for this request, framing included.
    pub wire_bytes_sent: u64,
}

/// The endpoint chosen and the connection to it. Its default says that there was none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Upstream<'a> {
    /// The chosen endpoint.
    pub host: Option<SocketAddr>,
    /// The endpoint's own name, where its configuration has one (`Endpoint.hostname`); empty: none.
    pub host_name: &'a str,
    /// The chosen cluster; empty: none.
    pub cluster: &'a str,
    /// The cluster's other name in observability (`Cluster.alt_stat_name`); empty: it has none.
    pub cluster_alt_stat_name: &'a str,
    /// This side's address of the connection to it.
    pub local_address: Option<SocketAddr>,
    /// The version of HTTP spoken there.
    pub protocol: Option<Protocol>,
    /// Number of the connection.
    pub connection_id: Option<u64>,
    /// Attempts upstream; 0: none was made.
    pub attempts: u32,
    /// From asking the pool for a connection to having it.
    pub pool_ready_duration: Option<Duration>,
    /// Why TLS or TCP to the endpoint failed; empty: it did not.
    pub transport_failure_reason: &'a str,
    /// Its TLS, where there is any.
    pub tls: Option<Tls<'a>>,
    /// Bytes read from the connection for this request, framing included.
    pub wire_bytes_received: u64,
    /// Bytes written to the connection for this request, framing included.
    pub wire_bytes_sent: u64,
}

/// TLS of one connection. Empty text: not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tls<'a> {
    /// `TLSv1.2`, `TLSv1.3`.
    pub version: &'a str,
    /// The cipher suite as OpenSSL names it (`TLS_AES_128_GCM_SHA256`).
    pub cipher: &'a str,
    /// URI names in the other side's certificate, joined by `,`.
    pub peer_uri_san: &'a str,
    /// DNS names in the other side's certificate, joined by `,`.
    pub peer_dns_san: &'a str,
    /// Subject of the other side's certificate (RFC 2253).
    pub peer_subject: &'a str,
    /// Issuer of the other side's certificate (RFC 2253).
    pub peer_issuer: &'a str,
    /// Serial number of the other side's certificate, hexadecimal.
    pub peer_serial: &'a str,
    /// SHA-256 of the other side's certificate, hexadecimal.
    pub peer_fingerprint_256: &'a str,
    /// URI names in this side's certificate, joined by `,`.
    pub local_uri_san: &'a str,
    /// DNS names in this side's certificate, joined by `,`.
    pub local_dns_san: &'a str,
    /// Subject of this side's certificate (RFC 2253).
    pub local_subject: &'a str,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `HTTP/1.0`
    Http10,
    /// `HTTP/1.1`
    Http11,
    /// `HTTP/2`
    Http2,
}

impl Protocol {
    /// As log lines have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
        }
    }
}

impl<'a> Entry<'a> {
    /// An entry of which nothing but its start and connection is known.
    #[must_use]
    pub fn new(start: SystemTime, downstream: Downstream<'a>) -> Self {
        Entry {
            start,
            request: None,
            response: None,
            trailers: None,
            protocol: None,
            response_code: 0,
            response_code_details: "",
            flags: Flags::NONE,
            connection_termination_details: "",
            bytes_received: 0,
            bytes_sent: 0,
            duration: Duration::ZERO,
            request_duration: None,
            request_sent_duration: None,
            response_duration: None,
            response_received_duration: None,
            response_sent_duration: None,
            route_name: "",
            downstream,
            upstream: Upstream::default(),
        }
    }
}

impl Downstream<'_> {
    /// A connection that was not redirected, of which nothing but its addresses is known.
    #[must_use]
    pub fn new(local_address: SocketAddr, remote_address: SocketAddr) -> Self {
        Downstream {
            listener_name: "",
            filter_chain_name: "",
            connection_id: 0,
            local_address,
            direct_local_address: local_address,
            remote_address,
            direct_remote_address: remote_address,
            requested_server_name: "",
            tls: None,
            transport_failure_reason: "",
            wire_bytes_received: 0,
            wire_bytes_sent: 0,
        }
    }
}
