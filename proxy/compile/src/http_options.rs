//! Options of HTTP that listeners and clusters share.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3 as core;

use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, duration, duration_or, u32_or};

/// `HttpProtocolOptions`
pub(crate) struct Common {
    /// Zero: never.
    pub(crate) idle_timeout: Duration,
    /// Zero: for ever.
    pub(crate) max_connection_duration: Duration,
    /// 0: no bound.
    pub(crate) max_requests: u32,
    pub(crate) max_headers_count: Option<u32>,
    /// Zero: no limit.
    pub(crate) max_stream_duration: Duration,
}

pub(crate) fn common(
    place: &Place<'_>,
    given: &core::HttpProtocolOptions,
    idle: Duration,
) -> Compiled<Common> {
    use core::http_protocol_options::HeadersWithUnderscoresAction as Underscores;
    take!(place, given, core::HttpProtocolOptions {
        idle_timeout, max_connection_duration, max_headers_count, max_requests_per_connection,
        headers_with_underscores_action, max_stream_duration,
    } refuse {} note { max_response_headers_kb } inert { max_connection_duration_jitter });
    if *headers_with_underscores_action != Underscores::Allow as i32 {
        return Err(place.refuse("headers_with_underscores_action", "only ALLOW is supported"));
    }
    Ok(Common {
        idle_timeout: duration_or(place, "idle_timeout", idle_timeout, idle)?,
        max_connection_duration: duration_or(
            place,
            "max_connection_duration",
            max_connection_duration,
            Duration::ZERO,
        )?,
        max_requests: u32_or(max_requests_per_connection, 0),
        max_headers_count: max_headers_count.as_ref().map(|v| v.value),
        max_stream_duration: duration(place, "max_stream_duration", max_stream_duration)?
            .unwrap_or_default(),
    })
}

/// HTTP/1 as it is spoken to clients: whether HTTP/1.0 is answered.
pub(crate) fn http1_downstream(
    place: &Place<'_>,
    given: &core::Http1ProtocolOptions,
) -> Compiled<bool> {
    take!(place, given, core::Http1ProtocolOptions { accept_http_10, allow_absolute_url }
        refuse { allow_chunked_length }
        note { default_host_for_http_10, header_key_format, override_stream_error_on_invalid_http_message,
            send_fully_qualified_url, ignore_http_11_upgrade }
        inert { enable_trailers, use_balsa_parser, allow_custom_methods });
    if !bool_or(allow_absolute_url, true) {
        place.warn(
            "allow_absolute_url",
            "absolute URLs are always understood (RFC 9112, 3.2.2)",
        );
    }
    Ok(*accept_http_10)
}

/// HTTP/1 as it is spoken to hosts.
pub(crate) fn http1_upstream(
    place: &Place<'_>,
    given: &core::Http1ProtocolOptions,
) -> Compiled<()> {
    take!(place, given, core::Http1ProtocolOptions {}
        refuse { allow_chunked_length }
        note { accept_http_10, default_host_for_http_10, header_key_format, send_fully_qualified_url, ignore_http_11_upgrade,
            override_stream_error_on_invalid_http_message }
        inert { allow_absolute_url, enable_trailers, use_balsa_parser, allow_custom_methods });
    Ok(())
}

/// HTTP/2 as it is spoken to clients.
pub(crate) fn http2_downstream(
    place: &Place<'_>,
    given: &core::Http2ProtocolOptions,
) -> Compiled<graph::manager::Http2Options> {
    take!(place, given, core::Http2ProtocolOptions {
        max_concurrent_streams, initial_stream_window_size, initial_connection_window_size, allow_connect,
    } refuse {} note {
        allow_metadata, connection_keepalive, custom_settings_parameters, stream_error_on_invalid_http_messaging,
        override_stream_error_on_invalid_http_message, max_metadata_size, max_header_field_size_kb, disallow_obs_text,
    } inert {
        hpack_table_size, max_outbound_frames, max_outbound_control_frames,
        max_consecutive_inbound_frames_with_empty_payload, max_inbound_priority_frames_per_stream,
        max_inbound_window_update_frames_per_data_frame_sent, use_oghttp2_codec, enable_huffman_encoding,
        stream_reset_burst, stream_reset_rate,
    });
    let window = |field: &str, given: &Option<_>, default: u32| {
        let window = u32_or(given, default);
        match window {
            65_535..=0x7fff_ffff => Ok(window),
            _ => Err(place.refuse(field, "is not between 65535 and 2147483647")),
        }
    };
    Ok(graph::manager::Http2Options {
        max_concurrent_streams: match u32_or(max_concurrent_streams, DEFAULT_STREAMS) {
            0 => return Err(place.refuse("max_concurrent_streams", "must be more than zero")),
            some => some,
        },
        initial_stream_window: window(
            "initial_stream_window_size",
            initial_stream_window_size,
            DEFAULT_STREAM_WINDOW,
        )?,
        initial_connection_window: window(
            "initial_connection_window_size",
            initial_connection_window_size,
            DEFAULT_CONNECTION_WINDOW,
        )?,
        allow_connect: *allow_connect,
    })
}

/// Envoy's defaults (`Http2ProtocolOptions`).
const DEFAULT_STREAMS: u32 = 1024;
const DEFAULT_STREAM_WINDOW: u32 = 16 << 20;
const DEFAULT_CONNECTION_WINDOW: u32 = 24 << 20;

/// HTTP/2 as it is spoken to hosts.
pub(crate) fn http2_upstream(
    place: &Place<'_>,
    given: &core::Http2ProtocolOptions,
) -> Compiled<()> {
    take!(place, given, core::Http2ProtocolOptions {} refuse {} note {
        max_concurrent_streams, initial_stream_window_size, initial_connection_window_size,
        allow_metadata, connection_keepalive, custom_settings_parameters, stream_error_on_invalid_http_messaging,
        override_stream_error_on_invalid_http_message, max_metadata_size, max_header_field_size_kb, disallow_obs_text,
    } inert {
        allow_connect, hpack_table_size, max_outbound_frames, max_outbound_control_frames,
        max_consecutive_inbound_frames_with_empty_payload, max_inbound_priority_frames_per_stream,
        max_inbound_window_update_frames_per_data_frame_sent, use_oghttp2_codec, enable_huffman_encoding,
        stream_reset_burst, stream_reset_rate,
    });
    Ok(())
}
