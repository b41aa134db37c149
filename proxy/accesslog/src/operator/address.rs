//! Addresses and ports.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Entry;
use crate::digits::{Small, decimal};

/// Which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    UpstreamHost,
    /// The endpoint, once there is a connection to it.
    UpstreamRemote,
    UpstreamLocal,
    DownstreamLocal,
    DownstreamDirectLocal,
    DownstreamRemote,
    DownstreamDirectRemote,
}

/// What is shown of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    WithPort,
    WithoutPort,
    /// The network of so many bits.
    Network(u8),
    Port,
}

impl Address {
    #[inline]
    pub(crate) fn read(self, entry: &Entry<'_>) -> Option<SocketAddr> {
        match self {
            Address::UpstreamHost => entry.upstream.host,
            Address::UpstreamRemote => entry
                .upstream
                .host
                .filter(|_| entry.upstream.local_address.is_some()),
            Address::UpstreamLocal => entry.upstream.local_address,
            Address::DownstreamLocal => Some(entry.downstream.local_address),
            Address::DownstreamDirectLocal => Some(entry.downstream.direct_local_address),
            Address::DownstreamRemote => Some(entry.downstream.remote_address),
            Address::DownstreamDirectRemote => Some(entry.downstream.direct_remote_address),
        }
    }
}

impl Form {
    #[inline]
    pub(crate) fn write(self, address: SocketAddr, out: &mut Vec<u8>) -> bool {
        match (self, address) {
            (Form::WithPort, SocketAddr::V4(address)) => {
                let mut text = Small::new();
                text.octets(address.ip().octets(), b':');
                text.decimal(u64::from(address.port()));
                text.append_to(out);
            }
            (Form::WithPort, SocketAddr::V6(address)) => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "[{}]:{}", address.ip(), address.port());
            }
            (Form::WithoutPort, address) => write_ip(address.ip(), out),
            (Form::Port, address) => decimal(u64::from(address.port()), out),
            (Form::Network(bits), address) => {
                let bits = bits.min(if address.is_ipv4() { 32 } else { 128 });
                write_ip(network(address.ip(), bits), out);
                out.push(b'/');
                decimal(u64::from(bits), out);
            }
        }
        true
    }
}

fn network(ip: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

fn write_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => {
            let mut text = Small::new();
            text.octets(ip.octets(), b'.');
            text.shorten();
            text.append_to(out);
        }
        IpAddr::V6(ip) => {
            let _ = write!(out, "{ip}");
        }
    }
}
