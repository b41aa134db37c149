//! `virtualOutbound`: where redirected outbound connections arrive. Those to known addresses are
//! handed to the listener of that address, the others are passed through or refused.

use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::{FilterChainMatch, Listener};

use super::{VIRTUAL_OUTBOUND, base, chain, everywhere};
use crate::names;
use crate::proxy::{Interception, ProxyClass};
use crate::snapshot::reads::Reads;
use crate::wire::{bool_value, u32_value};

pub(super) fn listener(class: &ProxyClass, reads: &mut Reads<'_>) -> Listener {
    let mut listener = base(VIRTUAL_OUTBOUND, TrafficDirection::Outbound, reads);
    let mesh = reads.mesh();
    everywhere(&mut listener, class, mesh.proxy_listen_port);
    listener.use_original_dst = bool_value(true);
    if class.interception == Interception::Tproxy {
        listener.transparent = bool_value(true);
    }
    // A connection to the port itself would be sent back to it for ever.
    let itself = FilterChainMatch {
        destination_port: u32_value(mesh.proxy_listen_port.into()),
        ..Default::default()
    };
    let refused = chain::tcp(names::BLACK_HOLE, names::BLACK_HOLE, class, mesh);
    let onward = chain::unknown(mesh);
    listener.filter_chains = vec![
        chain::chain("virtualOutbound-blackhole", Some(itself), refused, None),
        chain::chain(
            "virtualOutbound-catchall-tcp",
            None,
            chain::tcp(onward, onward, class, mesh),
            None,
        ),
    ];
    listener
}
