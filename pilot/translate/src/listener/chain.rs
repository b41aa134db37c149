//! Filter chains.

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, filter::ConfigType,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy, tcp_proxy::ClusterSpecifier,
};
use envoy_types::pb::google::protobuf::Any;
use resources::mesh_config::{MeshConfig, OutboundMode};

use super::access_log;
use crate::names;
use crate::proxy::ProxyClass;
use crate::wire::any;

/// What HTTP inspection finds in plaintext.
pub(super) const PLAIN_HTTP: [&str; 2] = ["http/1.1", "h2c"];

/// The filters of a chain of bytes.
pub(super) fn tcp(
    stat_prefix: &str,
    cluster: &str,
    class: &ProxyClass,
    mesh: &MeshConfig,
) -> Vec<Filter> {
    let proxy = TcpProxy {
        stat_prefix: stat_prefix.to_owned(),
        access_log: access_log::all(mesh),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..Default::default()
    };
    let filter = |name: &str, config| Filter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
    };
    let stats = class.has("istio.stats").then(metrics);
    stats
        .map(|config| filter("istio.stats", config))
        .into_iter()
        .chain([filter("envoy.filters.network.tcp_proxy", any(&proxy))])
        .collect()
}

/// The configuration of Istio's metrics with all its defaults (`stats.PluginConfig`).
pub(super) fn metrics() -> Any {
    Any {
        type_url: "type.googleapis.com/stats.PluginConfig".to_owned(),
        value: Vec::new(),
    }
}

pub(crate) fn http(manager: &HttpConnectionManager) -> Filter {
    Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(manager))),
    }
}

pub(crate) fn chain(
    name: &str,
    on: Option<FilterChainMatch>,
    filters: Vec<Filter>,
    socket: Option<core::TransportSocket>,
) -> FilterChain {
    FilterChain {
        name: name.to_owned(),
        filter_chain_match: on,
        filters,
        transport_socket: socket,
        ..Default::default()
    }
}

/// Plaintext that HTTP inspection recognised.
pub(super) fn plain_http() -> Option<FilterChainMatch> {
    Some(FilterChainMatch {
        transport_protocol: "raw_buffer".to_owned(),
        application_protocols: PLAIN_HTTP.map(str::to_owned).to_vec(),
        ..Default::default()
    })
}

/// Where outbound traffic to unknown places goes.
pub(super) fn unknown(mesh: &MeshConfig) -> &'static str {
    match mesh.outbound_traffic_policy.mode {
        OutboundMode::AllowAny => names::PASSTHROUGH,
        OutboundMode::RegistryOnly => names::BLACK_HOLE,
    }
}
