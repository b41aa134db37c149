//! Filter chains.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain as Message, filter::ConfigType,
};
use graph::chain::Network;
use graph::listener::Direction;
use graph::manager::Codec;
use prost::Message as _;
use std::sync::Arc;

use super::matching;
use super::plan::{Chain, Routes};
use crate::intern::Interner;
use crate::place::{Compiled, Place, take};
use crate::tls::context;
use crate::value::{bool_or, duration_or, type_name};
use crate::{manager, tcp};

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
/// Istio's metrics.
const STATS: &str = "istio.stats";
/// Filters that only report: the proxy does that by itself.
const REPORTERS: [&str; 3] = [
    STATS,
    "istio.metadata_exchange",
    "envoy.filters.network.metadata_exchange",
];

pub(super) fn compile(
    place: &Place<'_>,
    message: &Message,
    direction: Direction,
    names: &mut Interner,
    routes: &mut Routes,
) -> Compiled<Chain> {
    take!(place, message, Message {
        filter_chain_match, filters, use_proxy_proto, transport_socket, transport_socket_connect_timeout, name,
    } refuse {} note {} inert { metadata });
    if bool_or(use_proxy_proto, false) {
        return Err(place.refuse("use_proxy_proto", "is not supported; leave it out"));
    }
    let mut tls = match transport_socket {
        None => None,
        Some(socket) => context::downstream(&place.field("transport_socket"), socket)?,
    };
    let network = network(place, filters, direction, names, routes)?;
    if let (Some(tls), Network::Http(manager)) = (&mut tls, &network)
        && manager.codec == Codec::Auto
    {
        tls.carry_http1();
    }
    let mut hasher = DefaultHasher::new();
    message.encode_to_vec().hash(&mut hasher);
    direction_mark(direction).hash(&mut hasher);
    Ok(Chain {
        name: name.as_str().into(),
        on: match filter_chain_match {
            None => Default::default(),
            Some(on) => matching::compile(&place.field("filter_chain_match"), on)?,
        },
        tls,
        connect_timeout: duration_or(
            place,
            "transport_socket_connect_timeout",
            transport_socket_connect_timeout,
            Duration::ZERO,
        )?,
        network,
        hash: hasher.finish(),
    })
}

fn direction_mark(direction: Direction) -> u8 {
    match direction {
        Direction::Unspecified => 0,
        Direction::Inbound => 1,
        Direction::Outbound => 2,
    }
}

fn network(
    place: &Place<'_>,
    filters: &[Filter],
    direction: Direction,
    names: &mut Interner,
    routes: &mut Routes,
) -> Compiled<Network> {
    let mut network = None;
    let mut reports = false;
    for (index, filter) in filters.iter().enumerate() {
        let inside = place.item("filters", index);
        take!(inside, filter, Filter { name, config_type } refuse {} note {} inert {});
        if network.is_some() {
            return Err(inside.refuse(
                "",
                "stands behind the filter that ends the chain; put it before or leave it out",
            ));
        }
        if REPORTERS.contains(&name.as_str()) {
            reports |= name == STATS;
            continue;
        }
        let any = match inside.required("typed_config", config_type)? {
            ConfigType::TypedConfig(any) => any,
            ConfigType::ConfigDiscovery(_) => {
                return Err(inside.refuse("config_discovery", "is not supported; use typed_config"));
            }
        };
        let config = inside.field("typed_config");
        network = Some(match type_name(any) {
            MANAGER => Network::Http(Arc::new(manager::compile(
                &config, any, direction, names, routes,
            )?)),
            TCP => {
                let reporter = reports.then(|| manager::reporter(direction));
                Network::Tcp(Arc::new(tcp::compile(&config, any, names, reporter)?))
            }
            other => {
                return Err(inside.refuse("typed_config", format!("`{other}` (`{name}`) is not supported; use http_connection_manager or tcp_proxy")));
            }
        });
    }
    network.ok_or_else(|| {
        place.refuse(
            "filters",
            "hold no http_connection_manager and no tcp_proxy; add one",
        )
    })
}
