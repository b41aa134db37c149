//! Clusters: the upstreams of a proxy and how it talks to them.

mod inbound;
mod metadata;
mod outbound;
pub(crate) mod policy;
pub(crate) mod server_tls;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, circuit_breakers::Thresholds, cluster,
};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions, http_protocol_options as http,
};

pub(crate) use inbound::{cluster as inbound, names as inbound_names, targets};
pub(crate) use outbound::{for_grpc, visible};
pub(crate) use server_tls::gateway_context;
pub(crate) use tls::{auto_mutual_tls, downstream_context, inbound_mode};

use crate::names;
use crate::proxy::{ProxyClass, Role};
use crate::snapshot::reads::Reads;
use crate::wire::{any, duration, some_time, u32_value};

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Names of the clusters of a class: every port and subset of every visible service, then those
/// that do not depend on services.
pub(crate) fn names(class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    let mut names = outbound::names(class, reads);
    names.push(names::BLACK_HOLE.into());
    if class.role == Role::Sidecar {
        names.push(names::PASSTHROUGH.into());
        names.push(names::INBOUND_PASSTHROUGH.into());
    }
    names
}

/// The cluster of a name, the inbound ones of a workload apart.
pub(crate) fn outbound(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Cluster> {
    match name {
        names::BLACK_HOLE => Some(Cluster {
            lb_policy: cluster::LbPolicy::RoundRobin.into(),
            ..base(name, cluster::DiscoveryType::Static, reads)
        }),
        names::PASSTHROUGH => Some(Cluster {
            typed_extension_protocol_options: http_options(Upstreams::AsDownstream),
            circuit_breakers: unlimited(),
            ..original_destination(name, reads)
        }),
        names::INBOUND_PASSTHROUGH => Some(Cluster {
            upstream_bind_config: bind_loopback(class),
            ..original_destination(name, reads)
        }),
        _ => outbound::cluster(&names::Upstream::parse(name)?, class, reads),
    }
}

fn base(name: &str, discovery: cluster::DiscoveryType, reads: &mut Reads<'_>) -> Cluster {
    Cluster {
        name: name.to_owned(),
        // The separator keeps Envoy from reading part of the name as a statistic's own.
        alt_stat_name: format!("{name};"),
        connect_timeout: connect_timeout(reads),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(discovery.into())),
        ..Default::default()
    }
}

/// Proxies refuse zero; the mesh's default stands in for it.
fn connect_timeout(reads: &mut Reads<'_>) -> Option<envoy_types::pb::google::protobuf::Duration> {
    some_time(Some(reads.mesh().connect_timeout)).or_else(|| duration(Duration::from_secs(10)))
}

/// A cluster that sends to the address that the connection was made to.
fn original_destination(name: &str, reads: &mut Reads<'_>) -> Cluster {
    Cluster {
        lb_policy: cluster::LbPolicy::ClusterProvided.into(),
        ..base(name, cluster::DiscoveryType::OriginalDst, reads)
    }
}

/// Inbound connections come from 127.0.0.6 (::6), which the redirect rules leave alone.
fn bind_loopback(class: &ProxyClass) -> Option<core::BindConfig> {
    let source = |address| core::SocketAddress {
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(0)),
        ..crate::wire::socket_address(address, 0)
    };
    let (main, other) = match (class.ipv4, class.ipv6) {
        (true, true) => ("127.0.0.6", Some("::6")),
        (false, true) => ("::6", None),
        _ => ("127.0.0.6", None),
    };
    Some(core::BindConfig {
        source_address: Some(source(main)),
        extra_source_addresses: other
            .map(|address| core::ExtraSourceAddress {
                address: Some(source(address)),
                ..Default::default()
            })
            .into_iter()
            .collect(),
        ..Default::default()
    })
}

/// Envoy's own limits would turn a busy service away at 1024 connections.
fn thresholds() -> Thresholds {
    Thresholds {
        max_connections: u32_value(u32::MAX),
        max_pending_requests: u32_value(u32::MAX),
        max_requests: u32_value(u32::MAX),
        max_retries: u32_value(u32::MAX),
        track_remaining: true,
        ..Default::default()
    }
}

fn unlimited() -> Option<CircuitBreakers> {
    Some(CircuitBreakers {
        thresholds: vec![thresholds()],
        ..Default::default()
    })
}

/// The HTTP version spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upstreams {
    /// HTTP/2 with prior knowledge.
    Http2,
    /// The version that the caller spoke.
    AsDownstream,
}

fn http_options(
    version: Upstreams,
) -> std::collections::HashMap<String, envoy_types::pb::google::protobuf::Any> {
    options(version, None)
}

fn options(
    version: Upstreams,
    common: Option<core::HttpProtocolOptions>,
) -> std::collections::HashMap<String, envoy_types::pb::google::protobuf::Any> {
    options_with(version, common, core::Http2ProtocolOptions::default())
}

fn options_with(
    version: Upstreams,
    common: Option<core::HttpProtocolOptions>,
    http2: core::Http2ProtocolOptions,
) -> std::collections::HashMap<String, envoy_types::pb::google::protobuf::Any> {
    let protocol = match version {
        Upstreams::Http2 => {
            http::UpstreamProtocolOptions::ExplicitHttpConfig(http::ExplicitHttpConfig {
                protocol_config: Some(
                    http::explicit_http_config::ProtocolConfig::Http2ProtocolOptions(http2),
                ),
            })
        }
        Upstreams::AsDownstream => http::UpstreamProtocolOptions::UseDownstreamProtocolConfig(
            http::UseDownstreamHttpConfig {
                http_protocol_options: Some(core::Http1ProtocolOptions::default()),
                http2_protocol_options: Some(http2),
                ..Default::default()
            },
        ),
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_protocol_options: Some(protocol),
        ..Default::default()
    };
    std::iter::once((HTTP_OPTIONS.to_owned(), any(&options))).collect()
}
