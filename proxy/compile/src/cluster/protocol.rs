//! The version of HTTP that is spoken upstream.

use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::cluster::ClusterProtocolSelection;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions,
    http_protocol_options::{
        AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
        explicit_http_config::ProtocolConfig,
    },
};
use envoy_types::pb::google::protobuf::UInt32Value;
use graph::cluster::UpstreamProtocol;

use super::Extensions;
use crate::http_options;
use crate::place::{Compiled, Place, take};
use crate::value::{known, u32_or, unpack};

const EXTENSION: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// Envoy's default (`HttpProtocolOptions.idle_timeout`).
const IDLE: Duration = Duration::from_secs(3600);

/// What a cluster says about HTTP, in the present form and in those before it.
pub(super) struct Given<'a> {
    pub(super) extensions: &'a Extensions,
    pub(super) selection: i32,
    pub(super) common: &'a Option<core::HttpProtocolOptions>,
    pub(super) http1: &'a Option<core::Http1ProtocolOptions>,
    pub(super) http2: &'a Option<core::Http2ProtocolOptions>,
    pub(super) alpn: &'a Option<core::UpstreamHttpProtocolOptions>,
    pub(super) max_requests: &'a Option<UInt32Value>,
}

pub(super) struct Http {
    pub(super) version: UpstreamProtocol,
    pub(super) idle_timeout: Duration,
    pub(super) max_connection_duration: Duration,
    pub(super) max_stream_duration: Duration,
    pub(super) max_requests: u32,
}

pub(super) fn compile(place: &Place<'_>, given: &Given<'_>) -> Compiled<Http> {
    let mut options = None;
    for (name, any) in given.extensions {
        let inside = place.key("typed_extension_protocol_options", name);
        match name.as_str() {
            EXTENSION => options = Some(unpack::<HttpProtocolOptions>(&inside, any)?),
            _ => inside.warn("", "is not supported and has no effect"),
        }
    }
    match options {
        Some(options) => present(
            &place.key("typed_extension_protocol_options", EXTENSION),
            &options,
        ),
        None => former(place, given),
    }
}

fn former(place: &Place<'_>, given: &Given<'_>) -> Compiled<Http> {
    place.must_be_unset("upstream_http_protocol_options", given.alpn)?;
    if let Some(options) = given.http1 {
        http_options::http1_upstream(&place.field("http_protocol_options"), options)?;
    }
    if let Some(options) = given.http2 {
        http_options::http2_upstream(&place.field("http2_protocol_options"), options)?;
    }
    let version = match known(place, "protocol_selection", given.selection)? {
        ClusterProtocolSelection::UseDownstreamProtocol => UpstreamProtocol::Downstream,
        ClusterProtocolSelection::UseConfiguredProtocol if given.http2.is_some() => {
            UpstreamProtocol::Http2
        }
        ClusterProtocolSelection::UseConfiguredProtocol => UpstreamProtocol::Http1,
    };
    let mut http = common(place, "common_http_protocol_options", given.common, version)?;
    if given.max_requests.is_some() {
        http.max_requests = u32_or(given.max_requests, 0);
    }
    Ok(http)
}

fn present(place: &Place<'_>, options: &HttpProtocolOptions) -> Compiled<Http> {
    take!(place, options, HttpProtocolOptions {
        common_http_protocol_options, upstream_http_protocol_options, upstream_protocol_options, http_filters,
    } refuse { request_mirror_policies, hash_policy } note { header_validation_config, outlier_detection, retry_policy } inert {});
    for (index, filter) in http_filters.iter().enumerate() {
        let inside = place.item("http_filters", index);
        // The codec is where a chain of upstream filters ends; it is there anyhow.
        if filter.name != "envoy.filters.http.upstream_codec" {
            return Err(inside.refuse(
                "name",
                format!("`{}` is not supported upstream; leave it out", filter.name),
            ));
        }
    }
    place.must_be_unset(
        "upstream_http_protocol_options",
        upstream_http_protocol_options,
    )?;
    let version = match place.required("upstream_protocol_options", upstream_protocol_options)? {
        UpstreamProtocolOptions::ExplicitHttpConfig(config) => {
            explicit(&place.field("explicit_http_config"), config)?
        }
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(config) => {
            let inside = place.field("use_downstream_protocol_config");
            take!(inside, config, UseDownstreamHttpConfig { http_protocol_options, http2_protocol_options }
                refuse {} note { http3_protocol_options } inert {});
            if let Some(options) = http_protocol_options {
                http_options::http1_upstream(&inside.field("http_protocol_options"), options)?;
            }
            if let Some(options) = http2_protocol_options {
                http_options::http2_upstream(&inside.field("http2_protocol_options"), options)?;
            }
            UpstreamProtocol::Downstream
        }
        UpstreamProtocolOptions::AutoConfig(config) => {
            let inside = place.field("auto_config");
            take!(inside, config, AutoHttpConfig {}
                refuse {} note { http_protocol_options, http2_protocol_options, http3_protocol_options, alternate_protocols_cache_options } inert {});
            inside.warn("", "the version is not chosen by ALPN: HTTP/1.1 is spoken");
            UpstreamProtocol::Http1
        }
    };
    common(
        place,
        "common_http_protocol_options",
        common_http_protocol_options,
        version,
    )
}

fn explicit(place: &Place<'_>, config: &ExplicitHttpConfig) -> Compiled<UpstreamProtocol> {
    take!(place, config, ExplicitHttpConfig { protocol_config } refuse {} note {} inert {});
    match place.required("protocol_config", protocol_config)? {
        ProtocolConfig::HttpProtocolOptions(options) => {
            http_options::http1_upstream(&place.field("http_protocol_options"), options)?;
            Ok(UpstreamProtocol::Http1)
        }
        ProtocolConfig::Http2ProtocolOptions(options) => {
            http_options::http2_upstream(&place.field("http2_protocol_options"), options)?;
            Ok(UpstreamProtocol::Http2)
        }
        ProtocolConfig::Http3ProtocolOptions(_) => Err(place.refuse(
            "http3_protocol_options",
            "HTTP/3 is not supported; use HTTP/2",
        )),
    }
}

fn common(
    place: &Place<'_>,
    field: &str,
    given: &Option<core::HttpProtocolOptions>,
    version: UpstreamProtocol,
) -> Compiled<Http> {
    let inside = place.field(field);
    let empty = core::HttpProtocolOptions::default();
    let common = http_options::common(&inside, given.as_ref().unwrap_or(&empty), IDLE)?;
    if common.max_headers_count.is_some() {
        inside.warn(
            "max_headers_count",
            "is not supported upstream and has no effect",
        );
    }
    Ok(Http {
        version,
        idle_timeout: common.idle_timeout,
        max_connection_duration: common.max_connection_duration,
        max_stream_duration: common.max_stream_duration,
        max_requests: common.max_requests,
    })
}
