//! Listeners: which connections a proxy takes and where they go.

mod access_log;
pub(crate) mod chain;
mod inbound;
pub(crate) mod manager;
mod outbound;
mod virtual_outbound;

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::listener::v3::{
    AdditionalAddress, Listener, ListenerFilter, ListenerFilterChainMatchPredicate, listener_filter,
};
use envoy_types::pb::envoy::extensions::filters::listener::{http_inspector, tls_inspector};
use prost::{Message, Name};

pub(crate) use inbound::listener as inbound;

use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{address, any, duration};

/// The listener that redirected inbound connections come to.
pub(crate) const VIRTUAL_INBOUND: &str = "virtualInbound";
/// The listener that redirected outbound connections come to.
pub(crate) const VIRTUAL_OUTBOUND: &str = "virtualOutbound";

/// Names of the outbound listeners of a class.
pub(crate) fn names(class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    let mut names = outbound::names(class, reads);
    names.push(VIRTUAL_OUTBOUND.into());
    names
}

/// The outbound listener of a name.
pub(crate) fn outbound(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Listener> {
    match name {
        VIRTUAL_OUTBOUND => Some(virtual_outbound::listener(class, reads)),
        _ => outbound::listener(name, class, reads),
    }
}

/// A listener before its chains. Detection of protocols waits as long as the mesh says.
pub(crate) fn base(
    name: &str,
    direction: core::TrafficDirection,
    reads: &mut Reads<'_>,
) -> Listener {
    let mesh = reads.mesh();
    Listener {
        name: name.to_owned(),
        traffic_direction: direction.into(),
        access_log: access_log::no_route(mesh),
        listener_filters_timeout: duration(mesh.protocol_detection_timeout.0),
        continue_on_listener_filters_timeout: true,
        ..Default::default()
    }
}

/// The wildcard address, and that of the other family for a proxy that has both.
pub(crate) fn everywhere(listener: &mut Listener, class: &ProxyClass, port: u16) {
    listener.address = address(class.any_address(), port);
    if class.ipv4 && class.ipv6 {
        listener.additional_addresses = vec![AdditionalAddress {
            address: address("::", port),
            ..Default::default()
        }];
    }
}

fn filter<M: Message + Name>(name: &str, config: &M) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        config_type: Some(listener_filter::ConfigType::TypedConfig(any(config))),
        ..Default::default()
    }
}

pub(crate) fn tls_inspector(disabled: Option<ListenerFilterChainMatchPredicate>) -> ListenerFilter {
    let config = tls_inspector::v3::TlsInspector::default();
    ListenerFilter {
        filter_disabled: disabled,
        ..filter("envoy.filters.listener.tls_inspector", &config)
    }
}

fn http_inspector(disabled: Option<ListenerFilterChainMatchPredicate>) -> ListenerFilter {
    let config = http_inspector::v3::HttpInspector::default();
    ListenerFilter {
        filter_disabled: disabled,
        ..filter("envoy.filters.listener.http_inspector", &config)
    }
}

/// No limit, where zero means none.
const UNLIMITED: Duration = Duration::ZERO;
