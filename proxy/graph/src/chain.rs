//! Filter chains and which of them a connection gets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::ClusterId;
use crate::listener::Listener;
use crate::manager::HttpManager;
use crate::tls::{DownstreamTls, Secured};

/// A filter chain (`config.listener.v3.FilterChain`).
#[derive(Debug)]
pub struct FilterChain {
    /// Its name; empty where none was given.
    pub name: Arc<str>,
    /// When it applies.
    pub on: ChainMatch,
    /// How bytes come: in the clear (`None`) or by TLS.
    pub tls: Option<Secured<DownstreamTls>>,
    /// How long TLS and inspection may take; zero: no limit.
    pub connect_timeout: Duration,
    /// What is done with them. Connections go on as long as a chain has the very filter that they began with: another
    /// certificate leaves it alone.
    pub network: Network,
}

/// The terminal network filter of a chain.
#[derive(Debug, Clone)]
pub enum Network {
    /// `http_connection_manager`
    Http(Arc<HttpManager>),
    /// `tcp_proxy`
    Tcp(Arc<TcpProxy>),
}

/// `tcp_proxy`
#[derive(Debug)]
pub struct TcpProxy {
    /// Prefix of its statistics.
    pub stat_prefix: Arc<str>,
    /// Clusters and weights; one cluster has weight 1.
    pub clusters: Vec<(ClusterId, u32)>,
    /// Sum of the weights.
    pub total_weight: u32,
    /// A connection without bytes either way for so long is closed; zero: never.
    pub idle_timeout: Duration,
    /// The client's address chooses the host, where the cluster hashes.
    pub hashes_source: bool,
    /// A client's connection lives at most so long (`max_downstream_connection_duration`); zero: for ever.
    pub max_connection_duration: Duration,
    /// Attempts to connect; at least 1.
    pub max_connect_attempts: u32,
    /// A line for each connection.
    pub access_logs: Vec<Arc<accesslog::AccessLog>>,
    /// Which side Istio's metrics report; none: they are not reported.
    pub stats: Option<crate::manager::Reporter>,
}

/// The conditions of a chain (`FilterChainMatch`); an empty one holds for every connection.
#[derive(Debug, Clone, Default)]
pub struct ChainMatch {
    /// The port that the connection was made to.
    pub destination_port: Option<u16>,
    /// Its address: networks of which one must contain it.
    pub destination_networks: Vec<IpNetwork>,
    /// SNI: exact names, `*.suffix`.
    pub server_names: Vec<ServerName>,
    /// `tls`, `raw_buffer`; none: either.
    pub transport: Option<Transport>,
    /// Protocols of which the client named one (ALPN, or what inspection of plaintext found).
    pub application_protocols: Vec<Box<[u8]>>,
    /// Where the client may be.
    pub source_networks: Vec<IpNetwork>,
    /// From which ports.
    pub source_ports: Vec<u16>,
}

/// An address prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork {
    /// Its first address.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

impl IpNetwork {
    /// Whether `ip` lies in it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shifted = |a: u128, bits: u32| a.checked_shr(bits).unwrap_or(0);
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let drop = 32u32.saturating_sub(self.prefix.into());
                shifted(u32::from(net).into(), drop) == shifted(u32::from(ip).into(), drop)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let drop = 128u32.saturating_sub(self.prefix.into());
                shifted(net.into(), drop) == shifted(ip.into(), drop)
            }
            _ => false,
        }
    }
}

/// A name in a chain's match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerName {
    /// The whole name, lower case.
    Exact(Box<[u8]>),
    /// `*.example.com`, kept as `.example.com`.
    Suffix(Box<[u8]>),
}

/// What inspection found around the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TLS ClientHello came.
    Tls,
    /// Anything else.
    RawBuffer,
}

/// What is known of a connection when its chain is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Where it was made to.
    pub destination: std::net::SocketAddr,
    /// Where it comes from.
    pub source: std::net::SocketAddr,
    /// What inspection found.
    pub transport: Transport,
    /// SNI, lower case; empty: none.
    pub server_name: &'a [u8],
    /// ALPN of the ClientHello, or the protocol of the plaintext (`http/1.0`, `http/1.1`, `h2c`).
    pub application_protocols: &'a [&'a [u8]],
}

impl Listener {
    /// The chain for a connection. Criteria narrow the candidates one after the other in Envoy's order: destination
    /// port, destination address, server name, transport, application protocols, source address, source port. At
    /// each step only the chains with the most specific condition that holds stay, and there is no way back:
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto>.
    #[must_use]
    pub fn chain(&self, facts: &Facts<'_>) -> Option<&Arc<FilterChain>> {
        let mut left: Vec<&Arc<FilterChain>> = self.chains.iter().collect();
        let steps: [fn(&ChainMatch, &Facts<'_>) -> Option<u32>; 7] = [
            |m, f| condition(m.destination_port.as_ref(), |p| *p == f.destination.port()),
            |m, f| longest(&m.destination_networks, f.destination.ip()),
            |m, f| server_name(&m.server_names, f.server_name),
            |m, f| condition(m.transport.as_ref(), |t| *t == f.transport),
            |m, f| {
                any_of(&m.application_protocols, |p| {
                    f.application_protocols.contains(&&**p)
                })
            },
            |m, f| longest(&m.source_networks, f.source.ip()),
            |m, f| any_of(&m.source_ports, |p| *p == f.source.port()),
        ];
        for rank in steps {
            let best = left.iter().filter_map(|c| rank(&c.on, facts)).max();
            left.retain(|c| best.is_some() && rank(&c.on, facts) == best);
        }
        left.first().copied().or(self.default_chain.as_ref())
    }
}

/// How specific a condition is that holds: `None` it does not, 0 there is none.
fn condition<T>(on: Option<&T>, holds: impl Fn(&T) -> bool) -> Option<u32> {
    match on {
        None => Some(0),
        Some(value) => holds(value).then_some(1),
    }
}

fn any_of<T>(on: &[T], holds: impl Fn(&T) -> bool) -> Option<u32> {
    if on.is_empty() {
        Some(0)
    } else {
        on.iter().any(holds).then_some(1)
    }
}

fn longest(on: &[IpNetwork], ip: IpAddr) -> Option<u32> {
    if on.is_empty() {
        return Some(0);
    }
    on.iter()
        .filter(|net| net.contains(ip))
        .map(|net| u32::from(net.prefix) + 1)
        .max()
}

fn server_name(on: &[ServerName], name: &[u8]) -> Option<u32> {
    if on.is_empty() {
        return Some(0);
    }
    on.iter()
        .filter_map(|want| match want {
            ServerName::Exact(exact) => (**exact == *name).then_some(u32::MAX),
            ServerName::Suffix(suffix) => (name.len() > suffix.len() && name.ends_with(suffix))
                .then_some(1 + suffix.len() as u32),
        })
        .max()
}
