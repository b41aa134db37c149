//! Which ports of this machine the Services ask for. Pure.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use crate::object::{Key, integer, list, text};
use crate::store::View;

/// Why a port is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `nodePort`.
    NodePort,
    /// The port of a LoadBalancer itself.
    LoadBalancer,
}

/// One port of 127.0.0.1 and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Front {
    pub(super) port: u16,
    pub(super) kind: Kind,
    /// The Service's address and port in the node's network.
    pub(super) to: SocketAddr,
    pub(super) service: Key,
}

/// The ports of all Services that have an address. UDP stays inside.
pub(super) fn of(view: &View) -> BTreeSet<Front> {
    let mut fronts = BTreeSet::new();
    for (key, service) in view.of_kind("", "Service") {
        let balanced = match text(service, "/spec/type") {
            "NodePort" => false,
            "LoadBalancer" => true,
            _ => continue,
        };
        let Ok(address) = text(service, "/spec/clusterIP").parse::<Ipv4Addr>() else {
            continue;
        };
        for port in list(service, "/spec/ports") {
            let number = |field| integer(port, field).and_then(|n| u16::try_from(n).ok());
            let Some(own) = number("/port").filter(|_| text(port, "/protocol") != "UDP") else {
                continue;
            };
            let mut open = |port: u16, kind| {
                fronts.insert(Front {
                    port,
                    kind,
                    to: SocketAddr::from((address, own)),
                    service: key.clone(),
                });
            };
            if let Some(node_port) = number("/nodePort") {
                open(node_port, Kind::NodePort);
            }
            if balanced {
                open(own, Kind::LoadBalancer);
            }
        }
    }
    fronts
}
