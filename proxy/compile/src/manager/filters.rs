//! HTTP filters.

use std::sync::Arc;

use envoy_types::pb::envoy::extensions::filters::http::{
    cors::v3::Cors, fault::v3::HttpFault, grpc_stats::v3::FilterConfig as GrpcStats,
    router::v3::Router,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter::ConfigType,
};
use envoy_types::pb::google::protobuf::Any;
use graph::manager::{AlpnOverrides, Filters};
use prost::Message;

use crate::per_filter;
use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, type_name, unpack};

const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const FAULT: &str = "envoy.extensions.filters.http.fault.v3.HTTPFault";
const CORS: &str = "envoy.extensions.filters.http.cors.v3.Cors";
const GRPC_STATS: &str = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig";
const ALPN: &str = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";
/// Istio's metrics, by the name of the filter: its configuration comes in several wrappings.
const STATS: &str = "istio.stats";
/// Exchange of metadata between proxies, by headers of requests.
const METADATA: [&str; 2] = ["istio.metadata_exchange", "istio.peer_metadata"];

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`
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

/// Compiles the filters; also whether Istio's metrics are reported.
pub(super) fn compile(place: &Place<'_>, given: &[HttpFilter]) -> Compiled<(Filters, bool)> {
    let mut filters = Filters::default();
    let mut reports = false;
    let mut ended = false;
    for (index, filter) in given.iter().enumerate() {
        let named = place.key("http_filters", &filter.name);
        let numbered = place.item("http_filters", index);
        let place = if filter.name.is_empty() {
            &numbered
        } else {
            &named
        };
        take!(place, filter, HttpFilter { name, is_optional, disabled, config_type } refuse {} note {} inert {});
        if ended {
            return Err(place.refuse(
                "",
                "stands behind the router; put it before or leave it out",
            ));
        }
        if *disabled {
            place.warn(
                "disabled",
                "the filter stays off; routes cannot switch it on",
            );
            continue;
        }
        if name == STATS {
            reports = true;
            continue;
        }
        if METADATA.contains(&name.as_str()) {
            filters.peer_metadata = true;
            continue;
        }
        let any = match config_type {
            Some(ConfigType::TypedConfig(any)) => any,
            _ if *is_optional => {
                place.warn(
                    "",
                    "comes by its own discovery, which is not supported, and has no effect",
                );
                continue;
            }
            _ => return Err(place.refuse("typed_config", "is required; set it")),
        };
        let inside = place.field("typed_config");
        match type_name(any) {
            ROUTER => {
                router(&inside, any, &mut filters)?;
                ended = true;
            }
            FAULT => {
                let fault: HttpFault = unpack(&inside, any)?;
                filters.fault = Some(Arc::new(per_filter::fault(&inside, &fault)?));
            }
            CORS => {
                let Cors {} = unpack(&inside, any)?;
                filters.cors = true;
            }
            GRPC_STATS => {
                let stats: GrpcStats = unpack(&inside, any)?;
                take!(inside, &stats, GrpcStats {} refuse {} note {}
                    inert { emit_filter_state, enable_upstream_stats, replace_dots_in_grpc_service_name, per_method_stat_specifier });
                filters.grpc_stats = true;
            }
            ALPN => filters.alpn = Some(alpn(&inside, any)?),
            other if *is_optional => {
                place.warn("", format!("`{other}` is not supported and has no effect"))
            }
            other => {
                return Err(place.refuse(
                    "typed_config",
                    format!(
                        "`{other}` is not supported; leave the filter out or mark it is_optional"
                    ),
                ));
            }
        }
    }
    match ended {
        true => Ok((filters, reports)),
        false => Err(place.refuse(
            "http_filters",
            "do not end with the router; add envoy.filters.http.router",
        )),
    }
}

fn router(place: &Place<'_>, any: &Any, filters: &mut Filters) -> Compiled<()> {
    let router: Router = unpack(place, any)?;
    take!(place, &router, Router { suppress_envoy_headers, reject_connect_request_early_data }
        refuse { upstream_http_filters }
        note { upstream_log, upstream_log_options, strict_check_headers, respect_expected_rq_timeout }
        inert { dynamic_stats, start_child_span, suppress_grpc_request_failure_code_stats });
    if bool_or(reject_connect_request_early_data, false) {
        place.warn(
            "reject_connect_request_early_data",
            "is not supported and has no effect",
        );
    }
    filters.suppress_envoy_headers = *suppress_envoy_headers;
    Ok(())
}

fn alpn(place: &Place<'_>, any: &Any) -> Compiled<AlpnOverrides> {
    let AlpnFilter { overrides } = AlpnFilter::decode(any.value.as_slice())
        .map_err(|e| place.refuse("", format!("is not a {ALPN}: {e}")))?;
    let mut alpn = AlpnOverrides::default();
    for (index, given) in overrides.iter().enumerate() {
        let AlpnOverride {
            upstream_protocol,
            offered,
        } = given;
        let offered: Arc<[Vec<u8>]> = offered.iter().map(|p| p.clone().into_bytes()).collect();
        match upstream_protocol {
            0 => alpn.http10 = offered,
            1 => alpn.http11 = offered,
            2 => alpn.http2 = offered,
            other => {
                let place = place.item("alpn_override", index);
                return Err(place.refuse(
                    "upstream_protocol",
                    format!("{other} is none of HTTP10, HTTP11, HTTP2"),
                ));
            }
        }
    }
    Ok(alpn)
}
