//! Small values: durations, numbers, fractions, addresses, packed messages.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::r#type::v3::{FractionalPercent, Percent, fractional_percent};
use envoy_types::pb::google::protobuf;
use prost::{Message, Name};

use crate::place::{Compiled, Place, take};

/// Longer than this is for ever: it would overflow the arithmetic of timers.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A duration, if there is one.
pub(crate) fn duration(
    place: &Place<'_>,
    field: &str,
    value: &Option<protobuf::Duration>,
) -> Compiled<Option<Duration>> {
    let Some(protobuf::Duration { seconds, nanos }) = value else {
        return Ok(None);
    };
    let read = (u64::try_from(*seconds), u32::try_from(*nanos));
    let (Ok(seconds), Ok(nanos @ 0..=999_999_999)) = read else {
        return Err(place.refuse(field, "is not a duration of zero or more"));
    };
    Ok(Some(Duration::new(seconds, nanos).min(FOREVER)))
}

/// A duration or its default.
pub(crate) fn duration_or(
    place: &Place<'_>,
    field: &str,
    value: &Option<protobuf::Duration>,
    default: Duration,
) -> Compiled<Duration> {
    Ok(duration(place, field, value)?.unwrap_or(default))
}

/// A wrapped number or its default.
pub(crate) fn u32_or(value: &Option<protobuf::UInt32Value>, default: u32) -> u32 {
    value.as_ref().map_or(default, |v| v.value)
}

/// A wrapped flag or its default.
pub(crate) fn bool_or(value: &Option<protobuf::BoolValue>, default: bool) -> bool {
    value.as_ref().map_or(default, |v| v.value)
}

/// A fraction as so many of a million.
pub(crate) fn per_million(
    place: &Place<'_>,
    field: &str,
    value: &FractionalPercent,
) -> Compiled<u32> {
    use fractional_percent::DenominatorType as Of;
    let FractionalPercent {
        numerator,
        denominator,
    } = value;
    let each = match Of::try_from(*denominator) {
        Ok(Of::Hundred) => 10_000,
        Ok(Of::TenThousand) => 100,
        Ok(Of::Million) => 1,
        Err(_) => return Err(place.refuse(field, "has a denominator that is not known")),
    };
    Ok(numerator.saturating_mul(each).min(1_000_000))
}

/// A fraction that the runtime could replace: there is no runtime here, so its default holds.
pub(crate) fn runtime_per_million(
    place: &Place<'_>,
    field: &str,
    value: &core::RuntimeFractionalPercent,
) -> Compiled<u32> {
    let inside = place.field(field);
    take!(inside, value, core::RuntimeFractionalPercent { default_value } refuse {} note {} inert { runtime_key });
    per_million(
        &inside,
        "default_value",
        inside.required("default_value", default_value)?,
    )
}

/// A percentage in hundredths of a percent.
pub(crate) fn basis_points(place: &Place<'_>, field: &str, value: &Percent) -> Compiled<u32> {
    let Percent { value } = value;
    if !(0.0..=100.0).contains(value) {
        return Err(place.refuse(field, "is not between 0 and 100"));
    }
    Ok((value * 100.0).round() as u32)
}

/// Where a socket is: an IP address, or the name of a host, with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Ip(SocketAddr),
    Name(String, u16),
}

/// An address of TCP.
pub(crate) fn address(
    place: &Place<'_>,
    field: &str,
    value: &Option<core::Address>,
) -> Compiled<Address> {
    let core::Address { address } = place.required(field, value)?;
    match address {
        Some(core::address::Address::SocketAddress(socket)) => socket_address(place, field, socket),
        Some(core::address::Address::Pipe(_)) => Err(place.refuse(
            field,
            "is a Unix socket, which is not supported; use an IP address",
        )),
        Some(core::address::Address::EnvoyInternalAddress(_)) => Err(place.refuse(
            field,
            "is an internal listener, which is not supported; use an IP address",
        )),
        None => Err(place.refuse(field, "is empty; use an IP address")),
    }
}

/// An address that must be an IP address.
pub(crate) fn ip_address(
    place: &Place<'_>,
    field: &str,
    value: &Option<core::Address>,
) -> Compiled<SocketAddr> {
    match address(place, field, value)? {
        Address::Ip(address) => Ok(address),
        Address::Name(name, _) => Err(place.refuse(
            field,
            format!("`{name}` is not an IP address; names are resolved for STRICT_DNS and LOGICAL_DNS clusters alone"),
        )),
    }
}

pub(crate) fn socket_address(
    place: &Place<'_>,
    field: &str,
    value: &core::SocketAddress,
) -> Compiled<Address> {
    use core::socket_address::{PortSpecifier, Protocol};
    let inside = place.field(field);
    take!(inside, value, core::SocketAddress { protocol, address, port_specifier }
        refuse { resolver_name, network_namespace_filepath } note {} inert { ipv4_compat });
    if *protocol != Protocol::Tcp as i32 {
        return Err(inside.refuse("protocol", "only TCP is supported"));
    }
    let port = match port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(*port)
            .map_err(|_| inside.refuse("port_value", "is not between 0 and 65535"))?,
        None => 0,
        Some(PortSpecifier::NamedPort(_)) => {
            return Err(inside.refuse("named_port", "is not supported; use port_value"));
        }
    };
    if address.is_empty() {
        return Err(inside.refuse("address", "is required; set it"));
    }
    Ok(match address.parse::<IpAddr>() {
        Ok(ip) => Address::Ip(SocketAddr::new(ip, port)),
        Err(_) => Address::Name(address.clone(), port),
    })
}

/// The name of a packed message's type.
pub(crate) fn type_name(any: &protobuf::Any) -> &str {
    any.type_url
        .rsplit_once('/')
        .map_or(any.type_url.as_str(), |(_, name)| name)
}

/// A packed message of a known type.
pub(crate) fn unpack<M: Message + Name + Default>(
    place: &Place<'_>,
    any: &protobuf::Any,
) -> Compiled<M> {
    if type_name(any) != M::full_name() {
        return Err(place.refuse(
            "",
            format!(
                "`{}` is not supported here; use {}",
                type_name(any),
                M::full_name()
            ),
        ));
    }
    M::decode(any.value.as_slice())
        .map_err(|e| place.refuse("", format!("is not a {}: {e}", M::full_name())))
}

/// The value of an enumeration.
pub(crate) fn known<E: TryFrom<i32>>(place: &Place<'_>, field: &str, value: i32) -> Compiled<E> {
    E::try_from(value).map_err(|_| {
        place.refuse(
            field,
            format!(
                "{value} is not a value that this proxy knows; use one of the documented values"
            ),
        )
    })
}

/// The text of a struct's field.
pub(crate) fn struct_text<'s>(value: &'s protobuf::Struct, field: &str) -> Option<&'s str> {
    match value.fields.get(field)?.kind.as_ref()? {
        protobuf::value::Kind::StringValue(text) => Some(text),
        _ => None,
    }
}
