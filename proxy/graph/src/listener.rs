//! Listeners: where connections come in and what is found out about them first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::chain::FilterChain;

/// Which way traffic goes through a listener (`core.v3.TrafficDirection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Not said.
    Unspecified,
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

/// A listener (`config.listener.v3.Listener`).
#[derive(Debug)]
pub struct Listener {
    /// Name of the resource.
    pub name: Arc<str>,
    /// Its address and additional addresses.
    pub addresses: Vec<SocketAddr>,
    /// Whether it owns sockets (`bind_to_port`); else it takes connections that were made to one of its addresses
    /// and came in by a listener with `use_original_dst`.
    pub bind: bool,
    /// Hands connections to the listener of their original destination (by `ip:port`, then any address and `port`),
    /// and keeps those that none has.
    pub use_original_dst: bool,
    /// The destination of a redirected connection is what filter chains match (filter `original_dst`).
    pub restores_destination: bool,
    /// Sockets are transparent (`IP_TRANSPARENT`): the local address is the original destination.
    pub transparent: bool,
    /// Mark for connections to the workload that keep the client's address (filter `original_src`); none: not kept.
    pub original_source_mark: Option<u32>,
    /// Which way.
    pub direction: Direction,
    /// Whether the first bytes are looked at for TLS, and on which ports they are not.
    pub tls_inspector: Option<DisabledPorts>,
    /// Whether the first bytes are looked at for HTTP, and on which ports they are not.
    pub http_inspector: Option<DisabledPorts>,
    /// How long to wait for what inspection needs; zero: no limit.
    pub inspection_timeout: Duration,
    /// Go on with what is known when that time is over, instead of closing.
    pub continue_on_inspection_timeout: bool,
    /// Chains in order; the most specific match wins as Envoy defines it.
    pub chains: Vec<Arc<FilterChain>>,
    /// The chain where none matches.
    pub default_chain: Option<Arc<FilterChain>>,
    /// Logs of connections that no chain takes.
    pub access_logs: Vec<Arc<accesslog::AccessLog>>,
    /// Unread bytes of a connection before reading pauses; default 1 MiB.
    pub buffer_limit: usize,
}

/// Destination ports for which a listener filter is off (`filter_disabled`), as ranges without their end.
#[derive(Debug, Clone, Default)]
pub struct DisabledPorts(pub Vec<std::ops::Range<u32>>);

impl DisabledPorts {
    /// Whether the filter is off for connections to `port`.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&u32::from(port)))
    }
}
