//! Listeners of services: one per HTTP port, which all HTTP services on the port share, and one per
//! address and port for everything else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::Listener;

use super::{base, chain, everywhere, http_inspector, manager, tls_inspector};
use crate::cluster::visible;
use crate::model::protocol::Protocol;
use crate::model::service::{Port, Resolution, Service};
use crate::names::Upstream;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{address, bool_value};

/// Ports on which the proxy's own listeners are.
const RESERVED: [u16; 3] = [15008, 15021, 15090];

fn wildcard_name(class: &ProxyClass, port: u16) -> String {
    if class.ipv4 {
        format!("0.0.0.0_{port}")
    } else {
        format!("[::]_{port}")
    }
}

fn reserved(port: u16, reads: &mut Reads<'_>) -> bool {
    let mesh = reads.mesh();
    RESERVED.contains(&port)
        || port == mesh.proxy_listen_port
        || port == mesh.proxy_inbound_listen_port
}

pub(super) fn names(class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    // Sorted and without duplicates: two services with one address and port share a name.
    let mut found: BTreeMap<(u16, String), ()> = BTreeMap::new();
    for service in reads.services() {
        if !visible(service, class, reads) {
            continue;
        }
        for port in &service.ports {
            if port.protocol.is_http() {
                if !reserved(port.number, reads) {
                    found.insert((port.number, wildcard_name(class, port.number)), ());
                }
            } else if port.protocol != Protocol::Udp {
                for address in addresses(service, port, class, reads) {
                    found.insert((port.number, format!("{address}_{}", port.number)), ());
                }
            }
        }
    }
    found.into_keys().map(|(_, name)| name.into()).collect()
}

/// The addresses on which a service's port is called: its own, or those of its endpoints where it
/// has none.
fn addresses(
    service: &Service,
    port: &Port,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Vec<IpAddr> {
    let family = |ip: &IpAddr| if ip.is_ipv4() { class.ipv4 } else { class.ipv6 };
    if service.resolution == Resolution::ClientSide {
        return service.vips.iter().copied().filter(family).collect();
    }
    let endpoints = reads
        .endpoints(&service.key)
        .into_iter()
        .flat_map(|e| &e.all);
    // Behind a headless service the target port is called as it is only where it equals the port.
    endpoints
        .filter(|e| e.ports.contains_key(&port.name))
        .map(|e| e.address)
        .filter(family)
        .collect()
}

pub(super) fn listener(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Listener> {
    let (place, port) = name.rsplit_once('_')?;
    let port: u16 = port.parse().ok()?;
    let services = reads.services_on(port)?;
    let mut seen: Vec<&Arc<Service>> = Vec::new();
    for service in services.values() {
        if visible(service, class, reads) {
            seen.push(service);
        }
    }
    seen.sort_by(|a, b| (a.created, &a.key).cmp(&(b.created, &b.key)));
    if name == wildcard_name(class, port) {
        let any = seen
            .iter()
            .any(|s| s.port(port).is_some_and(|p| p.protocol.is_http()));
        return (any && !reserved(port, reads)).then(|| http(name, port, class, reads));
    }
    let place: IpAddr = place.parse().ok()?;
    for service in seen {
        let Some(declared) = service
            .port(port)
            .filter(|p| !p.protocol.is_http() && p.protocol != Protocol::Udp)
        else {
            continue;
        };
        if addresses(service, declared, class, reads).contains(&place) {
            return Some(at_address(name, place, service, declared, class, reads));
        }
    }
    None
}

/// All HTTP services on a port, told apart by the request's host.
fn http(name: &str, port: u16, class: &ProxyClass, reads: &mut Reads<'_>) -> Listener {
    let mut listener = base(name, TrafficDirection::Outbound, reads);
    everywhere(&mut listener, class, port);
    listener.bind_to_port = bool_value(false);
    listener.listener_filters = vec![http_inspector(None)];
    let requests = manager::outbound(&format!("outbound_{name}"), &port.to_string(), class, reads);
    listener.filter_chains = vec![chain::chain(
        "",
        chain::plain_http(),
        vec![chain::http(&requests)],
        None,
    )];
    let mesh = reads.mesh();
    let onward = chain::unknown(mesh);
    listener.default_filter_chain = Some(chain::chain(
        "PassthroughFilterChain",
        None,
        chain::tcp(onward, onward, class, mesh),
        None,
    ));
    listener
}

/// One service at one address: connections go to it whatever they hold.
fn at_address(
    name: &str,
    place: IpAddr,
    service: &Service,
    port: &Port,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Listener {
    let mut listener = base(name, TrafficDirection::Outbound, reads);
    listener.address = address(&place.to_string(), port.number);
    listener.bind_to_port = bool_value(false);
    let cluster = Upstream::new(port.number, "", &service.host).cluster();
    let bytes = chain::tcp(&cluster, &cluster, class, reads.mesh());
    if port.protocol != Protocol::Auto {
        listener.filter_chains = vec![chain::chain("", None, bytes, None)];
        return listener;
    }
    listener.listener_filters = vec![tls_inspector(None), http_inspector(None)];
    let route = format!("{}:{}", service.host, port.number);
    let requests = manager::outbound(&format!("outbound_{name}"), &route, class, reads);
    listener.filter_chains = vec![chain::chain(
        "",
        chain::plain_http(),
        vec![chain::http(&requests)],
        None,
    )];
    listener.default_filter_chain = Some(chain::chain("", None, bytes, None));
    listener
}
