//! Making protobuf messages: small constructors, and an encoding in which equal messages have equal
//! bytes (map entries come in the order of their keys, where the library writes them as they fall).

use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::google::protobuf;
use prost::{Message, Name};
use resources::istio::duration::GoDuration;
use xds::TypeUrl;

mod canonical;

/// Where maps with more than one entry may stand in a resource, as paths of field numbers.
fn map_fields(kind: TypeUrl) -> &'static [&'static [u32]] {
    match kind {
        // endpoints / lb_endpoints / metadata / filter_metadata
        TypeUrl::Endpoints => &[&[2, 2, 3, 1]],
        // virtual_hosts / routes / typed_per_filter_config
        TypeUrl::Route => &[&[2, 3, 13]],
        // metadata / filter_metadata / value / fields, and of the services in there: value / list_value / values /
        // struct_value / fields
        TypeUrl::Cluster => &[&[25, 1, 2, 1], &[25, 1, 2, 1, 2, 6, 1, 5, 1]],
        TypeUrl::Listener | TypeUrl::Secret => &[],
    }
}

/// Encodes a resource.
pub(crate) fn encode(kind: TypeUrl, message: &impl Message) -> Bytes {
    let bytes = message.encode_to_vec();
    map_fields(kind)
        .iter()
        .fold(bytes, |bytes, path| sorted_map(bytes, path))
        .into()
}

/// An encoded message with the entries of the map at a path of field numbers in order.
pub(crate) fn sorted_map(bytes: Vec<u8>, path: &[u32]) -> Vec<u8> {
    canonical::sort(&bytes, path).unwrap_or(bytes)
}

/// A message with its type.
pub(crate) fn any<M: Message + Name>(message: &M) -> protobuf::Any {
    protobuf::Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

pub(crate) fn u32_value(value: u32) -> Option<protobuf::UInt32Value> {
    Some(protobuf::UInt32Value { value })
}

pub(crate) fn bool_value(value: bool) -> Option<protobuf::BoolValue> {
    Some(protobuf::BoolValue { value })
}

/// Longer than this is for ever; Envoy refuses what does not fit into 63 bits of nanoseconds.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A duration, of [`FOREVER`] at most.
pub(crate) fn duration(of: Duration) -> Option<protobuf::Duration> {
    let of = of.min(FOREVER);
    Some(protobuf::Duration {
        seconds: i64::try_from(of.as_secs()).unwrap_or_default(),
        nanos: i32::try_from(of.subsec_nanos()).unwrap_or_default(),
    })
}

/// A duration in a field where proxies refuse zero; zero (and less than a millisecond, which
/// proxies round to zero) counts as not written.
pub(crate) fn some_time(of: Option<GoDuration>) -> Option<protobuf::Duration> {
    of.filter(|d| d.0.as_millis() > 0)
        .and_then(|d| duration(d.0))
}

pub(crate) fn string_struct<'a>(
    fields: impl IntoIterator<Item = (&'a str, String)>,
) -> protobuf::Struct {
    let value = |text| protobuf::Value {
        kind: Some(protobuf::value::Kind::StringValue(text)),
    };
    protobuf::Struct {
        fields: fields
            .into_iter()
            .map(|(k, v)| (k.to_owned(), value(v)))
            .collect(),
    }
}

pub(crate) fn socket_address(address: &str, port: u16) -> core::SocketAddress {
    core::SocketAddress {
        address: address.to_owned(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
        ..Default::default()
    }
}

pub(crate) fn address(address: &str, port: u16) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(socket_address(
            address, port,
        ))),
    })
}

/// The control plane itself, over the stream that is already there.
pub(crate) fn ads() -> Option<core::ConfigSource> {
    Some(core::ConfigSource {
        // Zero waits for ever: a listener without its routes must not come up and answer 404.
        initial_fetch_timeout: duration(Duration::ZERO),
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    })
}
