//! The HTTP connection manager and its filters.

use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::http::{cors, fault, grpc_stats, router};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager as hcm, http_filter::ConfigType,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::{UNLIMITED, access_log, chain};
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{ads, any, bool_value, duration};

/// The manager of an outbound listener; its routes come by their own subscription.
pub(super) fn outbound(
    stat_prefix: &str,
    route: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> HttpConnectionManager {
    let rds = Rds {
        config_source: ads(),
        route_config_name: route.to_owned(),
    };
    let mut filters = first(class);
    if class.has("istio.alpn") {
        filters.push(alpn_filter());
    }
    HttpConnectionManager {
        route_specifier: Some(hcm::RouteSpecifier::Rds(rds)),
        http_filters: with_common(filters, class),
        ..base(stat_prefix, reads)
    }
}

/// The manager of a gateway's listener: callers are outside of the mesh, so what they say of themselves is not believed.
pub(crate) fn gateway(
    stat_prefix: &str,
    route: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> HttpConnectionManager {
    HttpConnectionManager {
        use_remote_address: bool_value(true),
        forward_client_cert_details: hcm::ForwardClientCertDetails::SanitizeSet.into(),
        set_current_client_cert_details: Some(hcm::SetCurrentClientCertDetails {
            subject: bool_value(true),
            cert: true,
            dns: true,
            uri: true,
            ..Default::default()
        }),
        server_name: "istio-envoy".to_owned(),
        ..outbound(stat_prefix, route, class, reads)
    }
}

/// The manager of an inbound chain, with its one route inside.
pub(super) fn inbound(
    stat_prefix: &str,
    route: RouteConfiguration,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> HttpConnectionManager {
    HttpConnectionManager {
        route_specifier: Some(hcm::RouteSpecifier::RouteConfig(route)),
        http_filters: with_common(first(class), class),
        forward_client_cert_details: hcm::ForwardClientCertDetails::AppendForward.into(),
        set_current_client_cert_details: Some(hcm::SetCurrentClientCertDetails {
            subject: bool_value(true),
            dns: true,
            uri: true,
            ..Default::default()
        }),
        server_name: "istio-envoy".to_owned(),
        server_header_transformation: hcm::ServerHeaderTransformation::Overwrite.into(),
        ..base(stat_prefix, reads)
    }
}

fn base(stat_prefix: &str, reads: &mut Reads<'_>) -> HttpConnectionManager {
    HttpConnectionManager {
        codec_type: hcm::CodecType::Auto.into(),
        stat_prefix: stat_prefix.to_owned(),
        access_log: access_log::all(reads.mesh()),
        use_remote_address: bool_value(false),
        generate_request_id: bool_value(true),
        normalize_path: bool_value(true),
        path_with_escaped_slashes_action: hcm::PathWithEscapedSlashesAction::KeepUnchanged.into(),
        stream_idle_timeout: duration(UNLIMITED),
        upgrade_configs: vec![hcm::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

/// The filters that come before all others.
fn first(class: &ProxyClass) -> Vec<HttpFilter> {
    let mut filters = Vec::new();
    if class.has("istio.peer_metadata") {
        filters.push(peer_metadata());
    }
    filters.push(grpc_stats_filter());
    filters
}

fn with_common(mut filters: Vec<HttpFilter>, class: &ProxyClass) -> Vec<HttpFilter> {
    filters.push(filter(
        "envoy.filters.http.fault",
        any(&fault::v3::HttpFault::default()),
    ));
    filters.push(filter(
        "envoy.filters.http.cors",
        any(&cors::v3::Cors::default()),
    ));
    if class.has("istio.stats") {
        filters.push(filter("istio.stats", chain::metrics()));
    }
    filters.push(router());
    filters
}

/// The last filter of every manager.
pub(super) fn router() -> HttpFilter {
    filter(
        "envoy.filters.http.router",
        any(&router::v3::Router::default()),
    )
}

/// A manager for gRPC libraries, which take the router filter alone.
pub(crate) fn for_grpc(route: &str) -> HttpConnectionManager {
    HttpConnectionManager {
        route_specifier: Some(hcm::RouteSpecifier::Rds(Rds {
            config_source: ads(),
            route_config_name: route.to_owned(),
        })),
        http_filters: vec![router()],
        ..Default::default()
    }
}

/// Proxies tell each other of their workloads (`io.istio.http.peer_metadata.Config`).
fn peer_metadata() -> HttpFilter {
    let config = Any {
        type_url: "type.googleapis.com/io.istio.http.peer_metadata.Config".to_owned(),
        value: Vec::new(),
    };
    filter("istio.peer_metadata", config)
}

fn grpc_stats_filter() -> HttpFilter {
    use grpc_stats::v3::{FilterConfig, filter_config::PerMethodStatSpecifier};
    let config = FilterConfig {
        emit_filter_state: true,
        per_method_stat_specifier: Some(PerMethodStatSpecifier::StatsForAllMethods(
            envoy_types::pb::google::protobuf::BoolValue { value: false },
        )),
        ..Default::default()
    };
    filter("envoy.filters.http.grpc_stats", any(&config))
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`: the protocols offered upstream by
/// the version of the request.
#[derive(Clone, PartialEq, Message)]
struct AlpnFilter {
    #[prost(message, repeated, tag = "1")]
    overrides: Vec<AlpnOverride>,
}

#[derive(Clone, PartialEq, Message)]
struct AlpnOverride {
    /// 0, 1, 2 for HTTP/1.0, HTTP/1.1, HTTP/2.
    #[prost(int32, tag = "1")]
    upstream_protocol: i32,
    #[prost(string, repeated, tag = "2")]
    offered: Vec<String>,
}

fn alpn_filter() -> HttpFilter {
    let versions = [
        (0, ["istio-http/1.0", "istio", "http/1.0"]),
        (1, ["istio-http/1.1", "istio", "http/1.1"]),
        (2, ["istio-h2", "istio", "h2"]),
    ];
    let overrides = versions
        .map(|(upstream_protocol, offered)| AlpnOverride {
            upstream_protocol,
            offered: offered.map(str::to_owned).to_vec(),
        })
        .to_vec();
    let config = Any {
        type_url: "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig"
            .to_owned(),
        value: AlpnFilter { overrides }.encode_to_vec(),
    };
    filter("istio.alpn", config)
}
