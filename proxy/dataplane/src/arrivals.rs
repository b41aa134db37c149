//! Which listener takes a redirected connection, found without looking at every listener. Made once for a
//! configuration, for all workers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use graph::Graph;
use graph::listener::Listener;

/// The listeners that own no socket, by address.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    by_address: HashMap<SocketAddr, Arc<Listener>>,
}

impl Arrivals {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut by_address = HashMap::new();
        for listener in graph.listeners.iter().filter(|l| !l.bind) {
            for address in &listener.addresses {
                by_address
                    .entry(*address)
                    .or_insert_with(|| listener.clone());
            }
        }
        Arrivals { by_address }
    }

    /// The listener for connections made to an address: its own first, then that of the port on any address.
    pub(crate) fn to(&self, destination: SocketAddr) -> Option<&Arc<Listener>> {
        const ANY: [IpAddr; 2] = [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ];
        let own_family_first = ANY
            .iter()
            .filter(|any| any.is_ipv4() == destination.is_ipv4())
            .chain(
                ANY.iter()
                    .filter(|any| any.is_ipv4() != destination.is_ipv4()),
            );
        std::iter::once(destination)
            .chain(own_family_first.map(|any| SocketAddr::new(*any, destination.port())))
            .find_map(|address| self.by_address.get(&address))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use graph::listener::Direction;

    use super::*;

    fn listener(name: &str, bind: bool, addresses: &[&str]) -> Arc<Listener> {
        Arc::new(Listener {
            name: name.into(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            bind,
            use_original_dst: bind,
            restores_destination: false,
            transparent: false,
            original_source_mark: None,
            direction: Direction::Outbound,
            tls_inspector: None,
            http_inspector: None,
            inspection_timeout: Duration::ZERO,
            continue_on_inspection_timeout: true,
            chains: Vec::new(),
            default_chain: None,
            access_logs: Vec::new(),
            buffer_limit: 1 << 20,
        })
    }

    #[test]
    fn a_connection_goes_to_the_listener_of_its_address_then_of_its_port() {
        let graph = Graph {
            listeners: vec![
                listener("capture", true, &["0.0.0.0:15001"]),
                listener("any", false, &["0.0.0.0:80", "[::]:81"]),
                listener("own", false, &["10.0.0.1:80", "[fd00::1]:80"]),
                listener("second", false, &["10.0.0.1:80"]),
            ],
            ..Graph::default()
        };
        let arrivals = Arrivals::of(&graph);
        for (destination, name) in [
            ("10.0.0.1:80", Some("own")),
            ("[fd00::1]:80", Some("own")),
            ("10.0.0.2:80", Some("any")),
            ("[fd00::2]:80", Some("any")),
            ("10.0.0.1:81", Some("any")),
            ("10.0.0.1:82", None),
            ("10.0.0.1:15001", None),
        ] {
            let found = arrivals.to(destination.parse().unwrap());
            assert_eq!(found.map(|l| &*l.name), name, "{destination}");
        }
    }
}
