//! Conditions of filter chains.

use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3::CidrRange;
use envoy_types::pb::envoy::config::listener::v3::FilterChainMatch;
use graph::chain::{ChainMatch, IpNetwork, ServerName, Transport};

use crate::place::{Compiled, Place, take};
use crate::value::u32_or;

pub(super) fn compile(place: &Place<'_>, given: &FilterChainMatch) -> Compiled<ChainMatch> {
    take!(place, given, FilterChainMatch {
        destination_port, prefix_ranges, source_prefix_ranges, source_ports, server_names, transport_protocol,
        application_protocols,
    } refuse { address_suffix, suffix_len, direct_source_prefix_ranges, source_type } note {} inert {});
    let port = |field: &str, port: u32| {
        u16::try_from(port)
            .map_err(|_| place.refuse(field, format!("{port} is not between 0 and 65535")))
    };
    Ok(ChainMatch {
        destination_port: match destination_port {
            None => None,
            Some(given) => Some(port("destination_port", given.value)?),
        },
        destination_networks: networks(place, "prefix_ranges", prefix_ranges)?,
        server_names: server_names
            .iter()
            .map(|name| server_name(place, name))
            .collect::<Compiled<_>>()?,
        transport: match transport_protocol.as_str() {
            "" => None,
            "tls" => Some(Transport::Tls),
            "raw_buffer" => Some(Transport::RawBuffer),
            other => {
                return Err(place.refuse(
                    "transport_protocol",
                    format!("`{other}` is not supported; use tls or raw_buffer"),
                ));
            }
        },
        application_protocols: application_protocols
            .iter()
            .map(|p| p.as_bytes().into())
            .collect(),
        source_networks: networks(place, "source_prefix_ranges", source_prefix_ranges)?,
        source_ports: source_ports
            .iter()
            .map(|p| port("source_ports", *p))
            .collect::<Compiled<_>>()?,
    })
}

fn networks(place: &Place<'_>, field: &str, given: &[CidrRange]) -> Compiled<Vec<IpNetwork>> {
    let one = |(index, given): (usize, &CidrRange)| {
        let place = place.item(field, index);
        let CidrRange {
            address_prefix,
            prefix_len,
        } = given;
        let address: IpAddr = address_prefix.parse().map_err(|_| {
            place.refuse(
                "address_prefix",
                format!("`{}` is not an IP address", address_prefix.escape_debug()),
            )
        })?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        match u8::try_from(u32_or(prefix_len, 0)) {
            Ok(prefix) if prefix <= most => Ok(IpNetwork { address, prefix }),
            _ => Err(place.refuse("prefix_len", format!("is more than {most}"))),
        }
    };
    given.iter().enumerate().map(one).collect()
}

fn server_name(place: &Place<'_>, given: &str) -> Compiled<ServerName> {
    let lower = given.to_ascii_lowercase();
    match lower.strip_prefix('*') {
        None if !lower.is_empty() && !lower.contains('*') => {
            Ok(ServerName::Exact(lower.into_bytes().into()))
        }
        Some(suffix) if suffix.starts_with('.') && suffix.len() > 1 && !suffix.contains('*') => {
            Ok(ServerName::Suffix(suffix.as_bytes().into()))
        }
        _ => Err(place.refuse(
            "server_names",
            format!("`{given}` is neither a name nor `*.` and a name"),
        )),
    }
}
