//! The HTTP connection manager.

mod filters;
mod options;

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager as Message, Rds,
    http_connection_manager::{CodecType, RouteSpecifier},
};
use envoy_types::pb::google::protobuf::Any;
use graph::listener::Direction;
use graph::manager::{Codec, HttpManager, Reporter, Routes as TableSource};

use crate::access_log;
use crate::http_options;
use crate::intern::Interner;
use crate::listener::Routes;
use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, duration_or, known, u32_or, unpack};
use crate::{route, source};

/// Envoy's defaults (`HttpConnectionManager`).
const IDLE: Duration = Duration::from_secs(3600);
const STREAM_IDLE: Duration = Duration::from_secs(300);
const DRAIN: Duration = Duration::from_secs(5);
const HEADERS_KIB: u32 = 60;
const HEADERS_COUNT: u32 = 100;

/// Compiles a manager; the route tables that it names go into `routes`.
pub(crate) fn compile(
    place: &Place<'_>,
    any: &Any,
    direction: Direction,
    names: &mut Interner,
    routes: &mut Routes,
) -> Compiled<HttpManager> {
    let message: Message = unpack(place, any)?;
    take!(place, &message, Message {
        codec_type, stat_prefix, http_filters, common_http_protocol_options, http_protocol_options, http2_protocol_options,
        server_name, server_header_transformation, max_request_headers_kb, stream_idle_timeout, request_timeout,
        request_headers_timeout, drain_timeout, access_log, use_remote_address, xff_num_trusted_hops, skip_xff_append, via,
        generate_request_id, preserve_external_request_id, always_set_request_id_in_response, forward_client_cert_details,
        set_current_client_cert_details, proxy_100_continue, upgrade_configs, normalize_path, merge_slashes,
        path_with_escaped_slashes_action, strip_port_mode, route_specifier, add_user_agent,
    } refuse {
        http3_protocol_options, original_ip_detection_extensions, early_header_mutation_extensions,
        forward_client_cert_matcher, strip_matching_host_port, strip_trailing_host_dot, scheme_header_transformation,
    } note {
        tracing, stream_flush_timeout, access_log_flush_interval, flush_access_log_on_new_request, access_log_options,
        internal_address_config, represent_ipv4_remote_address_as_ipv4_mapped_ipv6, local_reply_config,
        stream_error_on_invalid_http_message, path_normalization_options, proxy_status_config, typed_header_validation_config,
        append_x_forwarded_port, append_local_overload, forward_proto_config, http1_safe_max_connection_duration,
    } inert { drain_timeout_jitter, delayed_close_timeout, request_id_extension, add_proxy_protocol_connection_state });
    place.must_be_unset("strip_any_host_port", strip_port_mode)?;
    if bool_or(add_user_agent, false) {
        place.warn("add_user_agent", "is not supported and has no effect");
    }
    let common = http_options::common(
        &place.field("common_http_protocol_options"),
        common_http_protocol_options
            .as_ref()
            .unwrap_or(&Default::default()),
        IDLE,
    )?;
    let accept_http_10 = match http_protocol_options {
        None => false,
        Some(given) => {
            http_options::http1_downstream(&place.field("http_protocol_options"), given)?
        }
    };
    let (filters, reports) = filters::compile(place, http_filters)?;
    Ok(HttpManager {
        stat_prefix: stat_prefix.as_str().into(),
        codec: match known(place, "codec_type", *codec_type)? {
            CodecType::Auto => Codec::Auto,
            CodecType::Http1 => Codec::Http1,
            CodecType::Http2 => Codec::Http2,
            CodecType::Http3 => {
                return Err(place.refuse("codec_type", "HTTP3 is not supported; use AUTO"));
            }
        },
        routes: table(place, route_specifier, names, routes)?,
        access_logs: access_log::all(place, "access_log", access_log),
        server_name: if server_name.is_empty() {
            "envoy"
        } else {
            server_name
        }
        .into(),
        server_header: options::server_header(place, *server_header_transformation)?,
        forward_client_cert: options::forward_client_cert(place, *forward_client_cert_details)?,
        set_current_client_cert: options::current_client_cert(
            place,
            set_current_client_cert_details,
        ),
        use_remote_address: bool_or(use_remote_address, false),
        trusted_hops: *xff_num_trusted_hops,
        skip_xff_append: *skip_xff_append,
        generate_request_id: bool_or(generate_request_id, true),
        preserve_external_request_id: *preserve_external_request_id,
        always_set_request_id_in_response: *always_set_request_id_in_response,
        normalize_path: bool_or(normalize_path, false),
        merge_slashes: *merge_slashes,
        escaped_slashes: options::escaped_slashes(place, *path_with_escaped_slashes_action)?,
        upgrades: options::upgrades(place, upgrade_configs)?,
        stream_idle_timeout: duration_or(
            place,
            "stream_idle_timeout",
            stream_idle_timeout,
            STREAM_IDLE,
        )?,
        request_timeout: duration_or(place, "request_timeout", request_timeout, Duration::ZERO)?,
        request_headers_timeout: duration_or(
            place,
            "request_headers_timeout",
            request_headers_timeout,
            Duration::ZERO,
        )?,
        idle_timeout: common.idle_timeout,
        max_connection_duration: common.max_connection_duration,
        max_stream_duration: common.max_stream_duration,
        max_requests_per_connection: common.max_requests,
        drain_timeout: duration_or(place, "drain_timeout", drain_timeout, DRAIN)?,
        max_request_headers_kib: match u32_or(max_request_headers_kb, HEADERS_KIB) {
            kib @ 1..=8192 => kib,
            other => {
                return Err(place.refuse(
                    "max_request_headers_kb",
                    format!("{other} is not between 1 and 8192"),
                ));
            }
        },
        max_headers_count: common.max_headers_count.unwrap_or(HEADERS_COUNT).max(1),
        accept_http_10,
        http2: http_options::http2_downstream(
            &place.field("http2_protocol_options"),
            http2_protocol_options
                .as_ref()
                .unwrap_or(&Default::default()),
        )?,
        filters,
        stats: reports.then(|| reporter(direction)),
        via: via.as_str().into(),
        proxy_100_continue: *proxy_100_continue,
    })
}

/// Which side Istio's metrics report on traffic of a direction.
pub(crate) fn reporter(direction: Direction) -> Reporter {
    match direction {
        Direction::Inbound => Reporter::Destination,
        Direction::Outbound | Direction::Unspecified => Reporter::Source,
    }
}

fn table(
    place: &Place<'_>,
    given: &Option<RouteSpecifier>,
    names: &mut Interner,
    routes: &mut Routes,
) -> Compiled<TableSource> {
    match place.required("route_specifier", given)? {
        RouteSpecifier::RouteConfig(table) => {
            let table = route::compile(&place.field("route_config"), table, names)?;
            Ok(TableSource::Inline(Arc::new(table)))
        }
        RouteSpecifier::Rds(rds) => {
            let place = place.field("rds");
            take!(place, rds, Rds { config_source, route_config_name } refuse {} note {} inert {});
            if route_config_name.is_empty() {
                return Err(place.refuse(
                    "route_config_name",
                    "is required; name a route configuration",
                ));
            }
            let patience = source::patience(&place, "config_source", config_source)?;
            routes.0.insert(route_config_name.as_str().into(), patience);
            Ok(TableSource::Table(names.table(route_config_name)))
        }
        RouteSpecifier::ScopedRoutes(_) => {
            Err(place.refuse("scoped_routes", "is not supported; use rds or route_config"))
        }
    }
}
