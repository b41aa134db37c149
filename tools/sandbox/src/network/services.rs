//! Service addresses as nftables rules of the node's namespace.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::Ipv4Net;
use nftables::{Batch, Family, Hook, HookPoint, HookType, Protocol, Statement};

use super::NetworkConfig;
use crate::Error;

const TABLE: &str = "lateen-services";
/// `dstnat` and `srcnat` of nft(8).
const DSTNAT: i32 = -100;
const SRCNAT: i32 = 100;

/// One port of a service address, and where its connections go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceForward {
    /// The service's address, in the network's service range.
    pub vip: IpAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The service's port.
    pub port: u16,
    /// Each new connection goes to one of these, all equally likely; none: it is refused.
    pub backends: Vec<SocketAddr>,
}

/// The table of all service addresses, replacing the one before in one transaction.
pub(super) fn rules(services: &[ServiceForward], config: &NetworkConfig) -> Result<Batch, Error> {
    let mut batch = Batch::new();
    batch.delete_table(Family::Ip, TABLE);
    batch.table(Family::Ip, TABLE);
    batch.chain(Family::Ip, TABLE, "services", None);
    // From pods, and from the node itself.
    for (chain, hook) in [
        ("prerouting", HookPoint::Prerouting),
        ("output", HookPoint::Output),
    ] {
        batch.chain(Family::Ip, TABLE, chain, Some(nat(hook, DSTNAT)));
        batch.rule(Family::Ip, TABLE, chain, vec![Statement::jump("services")]);
    }
    let mut hairpins = BTreeSet::new();
    for (index, service) in services.iter().enumerate() {
        let vip = address_in(config, service)?;
        let backends = backends(service)?;
        let chain = format!("service-{index}");
        batch.chain(Family::Ip, TABLE, &chain, None);
        let to_service = vec![
            Statement::daddr(Ipv4Net::from(vip)),
            Statement::dport(service.protocol, service.port),
            Statement::jump(&chain),
        ];
        batch.rule(Family::Ip, TABLE, "services", to_service);
        // The first takes one of N, the second one of the N-1 left to it, the last all of the rest.
        for ((ip, backend), left) in backends.iter().zip((1..=backends.len()).rev()) {
            let choose = Statement::NumgenRandom {
                modulus: u32::try_from(left).unwrap_or(u32::MAX),
                below: 1,
            };
            let forward = vec![
                choose,
                Statement::l4proto(service.protocol),
                Statement::Dnat(*backend),
            ];
            batch.rule(Family::Ip, TABLE, &chain, forward);
            hairpins.insert(*ip);
        }
    }
    batch.chain(
        Family::Ip,
        TABLE,
        "postrouting",
        Some(nat(HookPoint::Postrouting, SRCNAT)),
    );
    // A pod whose connection to a service comes back to itself must answer by way of the node.
    for ip in hairpins {
        let to_itself = vec![
            Statement::saddr(Ipv4Net::from(ip)),
            Statement::daddr(Ipv4Net::from(ip)),
            Statement::Masquerade,
        ];
        batch.rule(Family::Ip, TABLE, "postrouting", to_itself);
    }
    Ok(batch)
}

fn nat(hook: HookPoint, priority: i32) -> Hook {
    Hook {
        type_: HookType::Nat,
        hook,
        priority,
    }
}

fn address_in(config: &NetworkConfig, service: &ServiceForward) -> Result<Ipv4Addr, Error> {
    match service.vip {
        IpAddr::V4(vip) if config.service_cidr.contains(&vip) => Ok(vip),
        other => Err(Error::Invalid {
            field: format!("service address {other}"),
            problem: format!("take one of {}", config.service_cidr),
        }),
    }
}

fn backends(service: &ServiceForward) -> Result<Vec<(Ipv4Addr, SocketAddr)>, Error> {
    service
        .backends
        .iter()
        .map(|backend| match backend.ip() {
            IpAddr::V4(ip) => Ok((ip, *backend)),
            IpAddr::V6(_) => Err(Error::Invalid {
                field: format!("backend {backend} of {}:{}", service.vip, service.port),
                problem: "the sandbox's pods have IPv4 addresses alone".into(),
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn service(vip: &str, backends: &[&str]) -> ServiceForward {
        ServiceForward {
            vip: vip.parse().unwrap(),
            protocol: Protocol::Tcp,
            port: 80,
            backends: backends
                .iter()
                .map(|backend| backend.parse().unwrap())
                .collect(),
        }
    }

    fn text(services: &[ServiceForward]) -> Result<String, Error> {
        rules(services, &NetworkConfig::default()).map(|batch| batch.to_nft_text())
    }

    #[test]
    fn every_backend_is_equally_likely() {
        let text = text(&[service(
            "10.96.0.10",
            &["10.244.0.2:1", "10.244.0.3:2", "10.244.0.4:3"],
        )])
        .unwrap();
        let chances: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("numgen"))
            .collect();
        assert_eq!(chances.len(), 3);
        for (line, modulus) in chances.iter().zip([3, 2, 1]) {
            assert!(line.contains(&format!("mod {modulus}")), "{line}");
        }
    }

    #[test]
    fn a_service_without_backends_rewrites_nothing() {
        assert!(
            !text(&[service("10.96.0.10", &[])])
                .unwrap()
                .contains("dnat")
        );
    }

    #[test]
    fn addresses_that_the_node_does_not_have_are_refused_by_name() {
        let error = text(&[service("192.0.2.1", &[])]).unwrap_err().to_string();
        assert_eq!(error, "service address 192.0.2.1: take one of 10.96.0.0/12");
        let error = text(&[service("10.96.0.1", &["[::1]:80"])])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("backend [::1]:80 of 10.96.0.1:80"),
            "{error}"
        );
    }
}
