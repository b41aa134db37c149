//! Listeners.

mod chain;
mod filters;
mod matching;
mod plan;

use std::collections::HashSet;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::{AdditionalAddress, Listener as Message};
use graph::listener::{Direction, Listener};
use prost::Message as _;

pub(crate) use plan::{Built, Plan, Routes, Served};

use crate::access_log;
use crate::intern::Interner;
use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, duration_or, ip_address, known, u32_or};

/// Envoy's default (`listener_filters_timeout`).
const INSPECTION: Duration = Duration::from_secs(15);
/// Envoy's default (`per_connection_buffer_limit_bytes`).
const BUFFER: u32 = 1 << 20;

/// Compiles a listener.
pub(crate) fn compile(
    place: &Place<'_>,
    message: &Message,
    names: &mut Interner,
) -> Compiled<Plan> {
    take!(place, message, Message {
        name, address, additional_addresses, filter_chains, use_original_dst, default_filter_chain,
        per_connection_buffer_limit_bytes, deprecated_v1, listener_filters, listener_filters_timeout,
        continue_on_listener_filters_timeout, transparent, traffic_direction, access_log, bind_to_port,
    } refuse {
        fcds_config, filter_chain_matcher, udp_listener_config, api_listener, listener_specifier,
    } note {
        freebind, socket_options, tcp_fast_open_queue_length, connection_balance_config, tcp_backlog_size, enable_mptcp,
        tcp_keepalive, per_connection_buffer_high_watermark_timeout,
    } inert {
        stat_prefix, stats_matcher, metadata, drain_type, reuse_port, enable_reuse_port,
        max_connections_to_accept_per_socket_event, ignore_global_conn_limit, bypass_overload_manager,
    });
    if name.is_empty() {
        return Err(place.refuse("name", "is required; set it"));
    }
    let mut addresses = vec![ip_address(place, "address", address)?];
    for (index, given) in additional_addresses.iter().enumerate() {
        let inside = place.item("additional_addresses", index);
        take!(inside, given, AdditionalAddress { address } refuse {} note { socket_options, tcp_keepalive } inert {});
        addresses.push(ip_address(&inside, "address", address)?);
    }
    let direction = match known(place, "traffic_direction", *traffic_direction)? {
        TrafficDirection::Unspecified => Direction::Unspecified,
        TrafficDirection::Inbound => Direction::Inbound,
        TrafficDirection::Outbound => Direction::Outbound,
    };
    let mut seen = HashSet::new();
    let mut chains = Vec::with_capacity(filter_chains.len());
    let mut routes = Routes::default();
    for (index, given) in filter_chains.iter().enumerate() {
        let inside = match given.name.is_empty() {
            true => place.item("filter_chains", index),
            false => place.key("filter_chains", &given.name),
        };
        let on = given.filter_chain_match.clone().unwrap_or_default();
        if !seen.insert(on.encode_to_vec()) {
            return Err(inside.refuse(
                "filter_chain_match",
                "is that of another chain too; make them differ",
            ));
        }
        chains.push(chain::compile(
            &inside,
            given,
            direction,
            names,
            &mut routes,
        )?);
    }
    let default_chain = match default_filter_chain {
        None => None,
        Some(given) => Some(chain::compile(
            &place.field("default_filter_chain"),
            given,
            direction,
            names,
            &mut routes,
        )?),
    };
    if chains.is_empty() && default_chain.is_none() {
        return Err(place.refuse("filter_chains", "is required; give one chain at least"));
    }
    let found = filters::compile(place, listener_filters)?;
    let bind = match (bind_to_port, deprecated_v1) {
        (Some(bind), _) => bind.value,
        (None, Some(former)) => bool_or(&former.bind_to_port, true),
        (None, None) => true,
    };
    let listener = Listener {
        name: name.as_str().into(),
        addresses,
        bind,
        use_original_dst: bool_or(use_original_dst, false),
        // A listener that hands connections on must know where they went.
        restores_destination: found.original_dst || bool_or(use_original_dst, false),
        transparent: bool_or(transparent, false),
        original_source_mark: found.original_source_mark,
        direction,
        tls_inspector: found.tls_inspector,
        http_inspector: found.http_inspector,
        inspection_timeout: duration_or(
            place,
            "listener_filters_timeout",
            listener_filters_timeout,
            INSPECTION,
        )?,
        continue_on_inspection_timeout: *continue_on_listener_filters_timeout,
        chains: Vec::new(),
        default_chain: None,
        access_logs: access_log::all(place, "access_log", access_log),
        buffer_limit: u32_or(per_connection_buffer_limit_bytes, BUFFER) as usize,
    };
    Ok(Plan {
        listener,
        chains,
        default_chain,
        routes: routes.0,
    })
}
