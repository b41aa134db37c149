//! `virtualInbound`: where redirected inbound connections arrive. What is done with one depends on
//! the port that it was made to, on whether it is mutual TLS, and on what it speaks.

use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::listener_filter_chain_match_predicate::{
    MatchSet, Rule,
};
use envoy_types::pb::envoy::config::listener::v3::{
    FilterChain, FilterChainMatch, Listener, ListenerFilterChainMatchPredicate,
};
use envoy_types::pb::envoy::extensions::filters::listener::{original_dst, original_src};
use envoy_types::pb::envoy::r#type::v3::Int32Range;
use resources::istio::peer_authentication::Mode;

use super::{
    VIRTUAL_INBOUND, base, chain, everywhere, filter, http_inspector, manager, tls_inspector,
};
use crate::cluster::{downstream_context, inbound_mode, targets};
use crate::model::protocol::Protocol;
use crate::model::selector::selects;
use crate::names;
use crate::proxy::{Inbound, Interception, ProxyClass};
use crate::route;
use crate::snapshot::reads::Reads;
use crate::wire::{bool_value, u32_value};

/// What the mesh's own proxies offer in mutual TLS.
const MESH: [&str; 5] = [
    "istio",
    "istio-peer-exchange",
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
];
/// What they offer for requests.
const MESH_HTTP: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What they offer for bytes.
const MESH_TCP: [&str; 2] = ["istio-peer-exchange", "istio"];
/// The mark that redirection with transparent proxying looks for.
const TPROXY_MARK: u32 = 1337;

/// How a port is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http,
    Tcp,
    /// Found out by inspection.
    Auto,
}

impl From<Protocol> for Speaks {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            p if p.is_http() => Speaks::Http,
            Protocol::Auto => Speaks::Auto,
            _ => Speaks::Tcp,
        }
    }
}

/// One way into a port.
struct Entry {
    transport: &'static str,
    alpn: &'static [&'static str],
    mutual_tls: bool,
    http: bool,
}

const fn entry(
    transport: &'static str,
    alpn: &'static [&'static str],
    mutual_tls: bool,
    http: bool,
) -> Entry {
    Entry {
        transport,
        alpn,
        mutual_tls,
        http,
    }
}

fn entries(speaks: Speaks, mode: Mode) -> Vec<Entry> {
    match (speaks, mode) {
        (Speaks::Http, Mode::Strict) => vec![entry("tls", &[], true, true)],
        (Speaks::Http, Mode::Disable) => vec![entry("raw_buffer", &[], false, true)],
        (Speaks::Http, Mode::Permissive | Mode::Unset) => {
            vec![
                entry("tls", &MESH, true, true),
                entry("raw_buffer", &[], false, true),
            ]
        }
        (Speaks::Tcp, Mode::Strict) => vec![entry("tls", &[], true, false)],
        (Speaks::Tcp, Mode::Disable) => vec![entry("", &[], false, false)],
        (Speaks::Tcp, Mode::Permissive | Mode::Unset) => vec![
            entry("tls", &MESH, true, false),
            entry("tls", &[], false, false),
            entry("raw_buffer", &[], false, false),
        ],
        (Speaks::Auto, Mode::Strict) => vec![
            entry("tls", &MESH_HTTP, true, true),
            entry("tls", &[], true, false),
        ],
        (Speaks::Auto, Mode::Disable) => {
            vec![
                entry("raw_buffer", &chain::PLAIN_HTTP, false, true),
                entry("", &[], false, false),
            ]
        }
        (Speaks::Auto, Mode::Permissive | Mode::Unset) => vec![
            entry("tls", &MESH_HTTP, true, true),
            entry("raw_buffer", &chain::PLAIN_HTTP, false, true),
            entry("tls", &MESH_TCP, true, false),
            entry("raw_buffer", &[], false, false),
            entry("tls", &[], false, false),
        ],
    }
}

/// What stands behind a port, or behind all that are not declared.
struct Behind<'a> {
    /// `None` for undeclared ports.
    port: Option<u16>,
    cluster: &'a str,
    speaks: Speaks,
    mode: Mode,
    /// Operation named in traces.
    operation: &'a str,
    virtual_host: &'a str,
    grpc: bool,
    name: &'a str,
}

pub(crate) fn listener(
    class: &ProxyClass,
    inbound: &Inbound,
    reads: &mut Reads<'_>,
) -> Option<Listener> {
    if class.interception == Interception::None {
        return None;
    }
    let mut listener = base(VIRTUAL_INBOUND, TrafficDirection::Inbound, reads);
    let own_port = reads.mesh().proxy_inbound_listen_port;
    everywhere(&mut listener, class, own_port);
    if class.interception == Interception::Tproxy {
        listener.transparent = bool_value(true);
    }
    let itself = FilterChainMatch {
        destination_port: u32_value(own_port.into()),
        ..Default::default()
    };
    let refused = chain::tcp(names::BLACK_HOLE, names::BLACK_HOLE, class, reads.mesh());
    let mut chains = vec![chain::chain(
        "virtualInbound-blackhole",
        Some(itself),
        refused,
        None,
    )];
    let undeclared = inbound_mode(&class.namespace, &inbound.labels, 0, reads);
    chains.extend(make(&passthrough(None, undeclared), class, reads));
    let declared = targets(class, inbound, reads);
    let mut no_http = Vec::new();
    let mut no_tls = Vec::new();
    for (target, (service, port)) in &declared {
        if *target == own_port {
            continue;
        }
        let speaks = Speaks::from(port.protocol);
        let mode = inbound_mode(&class.namespace, &inbound.labels, *target, reads);
        if speaks == Speaks::Tcp || speaks == Speaks::Http {
            no_http.push(*target);
        }
        if mode == Mode::Disable && speaks == Speaks::Tcp {
            no_tls.push(*target);
        }
        let behind = Behind {
            port: Some(*target),
            cluster: &names::inbound(*target),
            speaks,
            mode,
            operation: &format!("{}:{}/*", service.host, port.number),
            virtual_host: &format!("inbound|http|{}", port.number),
            grpc: port.protocol == Protocol::Grpc,
            name: &format!("0.0.0.0_{target}"),
        };
        chains.extend(make(&behind, class, reads));
    }
    for (port, mode) in port_level(class, inbound, reads) {
        if !declared.contains_key(&port) && port != own_port {
            chains.extend(make(&passthrough(Some(port), mode), class, reads));
        }
    }
    listener.filter_chains = chains;
    listener.listener_filters = vec![filter(
        "envoy.filters.listener.original_dst",
        &original_dst::v3::OriginalDst::default(),
    )];
    if class.interception == Interception::Tproxy {
        let source = original_src::v3::OriginalSrc {
            mark: TPROXY_MARK,
            ..Default::default()
        };
        listener
            .listener_filters
            .push(filter("envoy.filters.listener.original_src", &source));
    }
    // A server that speaks first would wait for ever for bytes that inspection waits for.
    listener
        .listener_filters
        .push(tls_inspector(on_ports(&no_tls)));
    listener
        .listener_filters
        .push(http_inspector(on_ports(&no_http)));
    Some(listener)
}

fn passthrough(port: Option<u16>, mode: Mode) -> Behind<'static> {
    Behind {
        port,
        cluster: names::INBOUND_PASSTHROUGH,
        speaks: Speaks::Auto,
        mode,
        operation: ":0/*",
        virtual_host: "inbound|http|0",
        grpc: false,
        name: VIRTUAL_INBOUND,
    }
}

fn make(behind: &Behind<'_>, class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<FilterChain> {
    entries(behind.speaks, behind.mode)
        .into_iter()
        .map(|entry| {
            let on = FilterChainMatch {
                destination_port: behind.port.and_then(|p| u32_value(p.into())),
                transport_protocol: entry.transport.to_owned(),
                application_protocols: entry.alpn.iter().map(|a| (*a).to_owned()).collect(),
                ..Default::default()
            };
            let filters = if entry.http {
                let routes = route::inbound(
                    behind.cluster,
                    behind.virtual_host,
                    behind.operation,
                    behind.grpc,
                );
                let prefix = format!(
                    "inbound_{}_{}",
                    class.any_address(),
                    behind.port.unwrap_or_default()
                );
                vec![chain::http(&manager::inbound(
                    &prefix, routes, class, reads,
                ))]
            } else {
                chain::tcp(behind.cluster, behind.cluster, class, reads.mesh())
            };
            let socket = entry
                .mutual_tls
                .then(|| downstream_context(entry.http, class, reads));
            let name = match (behind.port, entry.http) {
                (None, true) => "virtualInbound-catchall-http",
                _ => behind.name,
            };
            chain::chain(name, Some(on), filters, socket)
        })
        .collect()
}

/// Ports with a mode of their own, whether or not a service leads to them.
fn port_level(class: &ProxyClass, inbound: &Inbound, reads: &mut Reads<'_>) -> Vec<(u16, Mode)> {
    let policies = reads.peer_authentications(&class.namespace);
    let ports: Vec<u16> = policies
        .iter()
        .find(|p| {
            p.spec.selector.as_ref().is_some_and(|s| {
                !s.match_labels.is_empty() && selects(&s.match_labels, &inbound.labels)
            })
        })
        .map(|p| p.spec.port_level_mtls.keys().copied().collect())
        .unwrap_or_default();
    ports
        .into_iter()
        .map(|port| {
            (
                port,
                inbound_mode(&class.namespace, &inbound.labels, port, reads),
            )
        })
        .collect()
}

/// Holds for connections made to one of the ports; no ports, no condition.
fn on_ports(ports: &[u16]) -> Option<ListenerFilterChainMatchPredicate> {
    let one = |port: &u16| {
        let start = i32::from(*port);
        let range = Int32Range {
            start,
            end: start + 1,
        };
        ListenerFilterChainMatchPredicate {
            rule: Some(Rule::DestinationPortRange(range)),
        }
    };
    match ports {
        [] => None,
        [port] => Some(one(port)),
        many => Some(ListenerFilterChainMatchPredicate {
            rule: Some(Rule::OrMatch(MatchSet {
                rules: many.iter().map(one).collect(),
            })),
        }),
    }
}
