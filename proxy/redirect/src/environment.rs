//! What the settings take from the pod: its addresses, its name servers, its users, variables.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use nftables::{Owner, OwnerKind};

use crate::{Error, list};

/// The user id of the proxy when nothing else says which it is.
const PROXY_USER: u32 = 1337;
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Variables that stand in for flags beside the flags' own.
const VARIABLES: [&str; 5] = [
    "INVALID_DROP",
    "ISTIO_META_DNS_CAPTURE",
    "ISTIO_DUAL_STACK",
    "ISTIO_AGENT_DUAL_STACK",
    "ENVOY_USER",
];

/// What settings take from the pod.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The pod's addresses.
    pub addresses: Addresses,
    /// The user of the proxy when no flag names it.
    pub proxy_user: Owner,
    /// The text of `/etc/resolv.conf`, or why it could not be read.
    pub resolv_conf: Result<String, String>,
    /// Variables that are set.
    pub variables: HashMap<&'static str, String>,
}

/// The addresses of this network namespace that others can reach, in the kernel's order.
#[derive(Debug, Clone, Default)]
pub struct Addresses(pub Vec<IpAddr>);

impl Addresses {
    /// Those of the calling thread's namespace, without loopback and link-local ones.
    ///
    /// # Errors
    /// When the kernel gives no list.
    pub fn read() -> Result<Self, Error> {
        let interfaces =
            nix::ifaddrs::getifaddrs().map_err(|errno| Error::Addresses(errno.into()))?;
        let addresses = interfaces.filter_map(|interface| {
            let storage = interface.address?;
            let v4 = storage
                .as_sockaddr_in()
                .map(|address| IpAddr::V4(address.ip()));
            let v6 = || {
                storage
                    .as_sockaddr_in6()
                    .map(|address| IpAddr::V6(address.ip()).to_canonical())
            };
            v4.or_else(v6).filter(is_reachable)
        });
        Ok(Self(addresses.collect()))
    }

    /// Whether the rules have to speak of IPv6: when the first address is one, or with dual stack any is.
    #[must_use]
    pub fn ipv6(&self, dual_stack: bool) -> bool {
        let mut families = self.0.iter().map(IpAddr::is_ipv6);
        if dual_stack {
            families.any(|ipv6| ipv6)
        } else {
            families.next().unwrap_or(false)
        }
    }

    /// The pod's address, with a port.
    #[must_use]
    pub fn first(&self, port: u16) -> Option<SocketAddr> {
        self.0
            .first()
            .map(|address| SocketAddr::new(*address, port))
    }
}

fn is_reachable(address: &IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_loopback() && !link_local
}

impl Environment {
    /// Read it, addresses in the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel gives no list of addresses.
    pub fn read() -> Result<Self, Error> {
        let read = |name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .map(|value| (name, value))
        };
        let variables: HashMap<_, _> = VARIABLES.into_iter().filter_map(read).collect();
        let name = variables
            .get("ENVOY_USER")
            .map_or("istio-proxy", String::as_str);
        let by_name = name
            .parse::<Owner>()
            .ok()
            .and_then(|owner| owner.resolve(OwnerKind::User).ok());
        Ok(Self {
            addresses: Addresses::read()?,
            proxy_user: Owner::Id(by_name.unwrap_or(PROXY_USER)),
            resolv_conf: std::fs::read_to_string(Path::new(RESOLV_CONF))
                .map_err(|error| error.to_string()),
            variables,
        })
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The name servers that applications of this pod ask.
    ///
    /// # Errors
    /// When `/etc/resolv.conf` could not be read.
    pub fn name_servers(&self) -> Result<Vec<IpAddr>, Error> {
        match &self.resolv_conf {
            Ok(text) => Ok(list::name_servers(text)),
            Err(why) => Err(Error::NameServers {
                file: RESOLV_CONF,
                why: why.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(texts: &[&str]) -> Addresses {
        Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn the_first_address_decides_the_family_unless_both_are_wanted() {
        let both = addresses(&["10.0.0.1", "fd00::1"]);
        assert!(!both.ipv6(false) && both.ipv6(true));
        assert!(addresses(&["fd00::1"]).ipv6(false));
        assert!(!addresses(&[]).ipv6(true));
    }

    #[test]
    fn loopback_and_link_local_addresses_are_not_the_pods() {
        for text in ["127.0.0.1", "::1", "169.254.1.1", "fe80::1"] {
            assert!(!is_reachable(&text.parse().unwrap()), "{text}");
        }
        assert!(is_reachable(&"10.0.0.1".parse().unwrap()));
    }
}
