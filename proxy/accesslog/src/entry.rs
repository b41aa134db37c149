//! What is known of a request or connection when its line is written.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use headers::Headers;

/// One request, or one connection of bytes.
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
    /// Why TLS or TCP to the endpoint failed; empty: it did not.
    pub upstream_transport_failure_reason: &'a str,
    /// Bytes of the request's body, or from the client.
    pub bytes_received: u64,
    /// Bytes of the answer's body, or to the client.
    pub bytes_sent: u64,
    /// From start to end.
    pub duration: Duration,
    /// From start to the request's last byte.
    pub request_duration: Option<Duration>,
    /// From start to the answer's first byte.
    pub response_duration: Option<Duration>,
    /// The chosen endpoint.
    pub upstream_host: Option<SocketAddr>,
    /// The chosen cluster; empty: none.
    pub upstream_cluster: &'a str,
    /// This side's address of the connection to it.
    pub upstream_local_address: Option<SocketAddr>,
    /// Attempts upstream.
    pub upstream_attempts: u32,
    /// Where the client connected to.
    pub downstream_local_address: SocketAddr,
    /// The client, after `x-forwarded-for` is understood.
    pub downstream_remote_address: SocketAddr,
    /// The connection's own other end.
    pub downstream_direct_remote_address: SocketAddr,
    /// SNI; empty: none.
    pub requested_server_name: &'a str,
    /// The route's name; empty: none.
    pub route_name: &'a str,
    /// The virtual host's name; empty: none.
    pub virtual_host: &'a str,
    /// First URI name in the client's certificate; empty: none.
    pub downstream_peer_uri_san: &'a str,
    /// First URI name in the certificate shown to the client; empty: none.
    pub downstream_local_uri_san: &'a str,
    /// Number of the connection.
    pub connection_id: u64,
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

/// Response flags, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u32);
