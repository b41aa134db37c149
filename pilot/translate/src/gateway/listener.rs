//! The listeners of a gateway.

use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, FilterChainMatch, Listener};

use super::{Place, Protocol, Server, servers};
use crate::cluster::gateway_context;
use crate::listener::{base, chain, everywhere, manager, tls_inspector};
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::address;

/// `0.0.0.0_8080`.
fn name((port, bind): &Place, class: &ProxyClass) -> String {
    match bind.as_str() {
        "" if class.ipv4 => format!("0.0.0.0_{port}"),
        "" => format!("[::]_{port}"),
        bind => format!("{bind}_{port}"),
    }
}

/// The names of a gateway's listeners, those alone that lead anywhere.
pub(crate) fn names(class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    servers(class, reads)
        .keys()
        .map(|place| name(place, class).into())
        .collect()
}

/// The listener of a name.
pub(crate) fn listener(
    wanted: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<Listener> {
    let (place, servers) = servers(class, reads)
        .into_iter()
        .find(|(place, _)| name(place, class) == wanted)?;
    let chains: Vec<FilterChain> = match servers.first()?.protocol {
        // All of them share one chain: the request's host tells them apart.
        Protocol::Http => vec![requests(
            servers.first()?,
            &place,
            wanted,
            None,
            class,
            reads,
        )],
        _ => servers
            .iter()
            .filter_map(|server| of_tls(server, &place, wanted, class, reads))
            .collect(),
    };
    if chains.is_empty() {
        return None;
    }
    let mut listener = base(wanted, TrafficDirection::Outbound, reads);
    match place.1.parse::<IpAddr>() {
        Ok(bind) => listener.address = address(&bind.to_string(), place.0),
        Err(_) => everywhere(&mut listener, class, place.0),
    }
    if servers.iter().any(|server| server.protocol.is_tls()) {
        listener.listener_filters = vec![tls_inspector(None)];
    }
    listener.filter_chains = chains;
    Some(listener)
}

fn of_tls(
    server: &Server<'_>,
    place: &Place,
    listener: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<FilterChain> {
    match server.protocol {
        Protocol::Https => {
            let names = server_names(server);
            Some(requests(server, place, listener, names, class, reads))
        }
        // Bytes go where VirtualServices' `tcp` and `tls` say, which are not translated yet.
        Protocol::Http | Protocol::Tcp | Protocol::Tls | Protocol::Passthrough => None,
    }
}

/// A chain of requests.
fn requests(
    server: &Server<'_>,
    place: &Place,
    listener: &str,
    on: Option<FilterChainMatch>,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> FilterChain {
    let route = server.route_name(place.0);
    let manager = manager::gateway(&format!("outbound_{listener}"), &route, class, reads);
    let tls = server.spec.tls.as_ref();
    let socket = tls
        .filter(|_| server.protocol == Protocol::Https)
        .map(|tls| gateway_context(tls, reads));
    chain::chain("", on, vec![chain::http(&manager)], socket)
}

/// The server names that callers ask for; `*` is any, also none.
fn server_names(server: &Server<'_>) -> Option<FilterChainMatch> {
    let mut names: Vec<String> = server.hosts().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    if names.iter().any(|name| name == "*") {
        return None;
    }
    Some(FilterChainMatch {
        server_names: names,
        ..Default::default()
    })
}
