//! Settings in, rules out: three tables, written by the three modules of their names.
//!
//! - `istio-proxy-nat` sends connections to the proxy by rewriting their destination.
//! - `istio-proxy-mangle` does so for inbound ones without rewriting (TPROXY), and drops invalid packets.
//! - `istio-proxy-raw` keeps the two halves of a redirected DNS exchange apart in connection tracking.
//!
//! The text and its order are those of Istio's own tool, so that what is known of its rules holds for these.

pub mod iptables;
mod mangle;
mod nat;
mod raw;
mod table;

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use nftables::{Batch, Family, Op, Owner, OwnerKind, Protocol, Statement};

use crate::Settings;

/// All tables that any settings make.
pub const TABLES: [&str; 3] = [nat::TABLE, mangle::TABLE, raw::TABLE];

/// The tables, chains and rules that the settings ask for.
#[must_use]
pub fn batch(settings: &Settings) -> Batch {
    let mut batch = Batch::new();
    for table in tables(settings) {
        batch.extend(table.into_batch());
    }
    batch
}

fn tables(settings: &Settings) -> [table::Table; 3] {
    [
        nat::rules(settings),
        mangle::rules(settings),
        raw::rules(settings),
    ]
}

/// Remove every table, whether it is there or not.
#[must_use]
pub fn cleanup() -> Batch {
    let mut batch = Batch::new();
    TABLES
        .iter()
        .for_each(|table| batch.delete_table(Family::Inet, *table));
    batch
}

/// What replaces whatever an earlier run left: in one transaction, so that no packet meets a half-made set of rules.
#[must_use]
pub fn replacement(settings: &Settings) -> Batch {
    let mut all = cleanup();
    all.extend(batch(settings));
    all
}

/// Where the agent answers DNS.
const AGENT_DNS_PORT: u16 = 15053;
const DNS_PORT: u16 = 53;

fn tcp() -> Statement {
    Statement::l4proto(Protocol::Tcp)
}

fn jump(chain: &str) -> [Statement; 2] {
    [Statement::Counter, Statement::jump(chain)]
}

fn pass() -> [Statement; 2] {
    [Statement::Counter, Statement::return_()]
}

fn user(op: Op, owner: &Owner) -> Statement {
    Statement::SocketOwner {
        kind: OwnerKind::User,
        op,
        owner: owner.clone(),
        qualified: false,
    }
}

fn group(op: Op, owner: &Owner) -> Statement {
    Statement::SocketOwner {
        kind: OwnerKind::Group,
        op,
        owner: owner.clone(),
        qualified: false,
    }
}

fn host(address: impl Into<std::net::IpAddr>) -> IpNet {
    IpNet::from(address.into())
}

/// The source address of the proxy's connections to the application, by which they are told from all others.
fn passthrough_sources(settings: &Settings) -> Vec<IpNet> {
    let mut sources = vec![host([127, 0, 0, 6])];
    if settings.ipv6 {
        sources.push(host(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)));
    }
    sources
}

/// The destinations that mean the application's own container.
fn loopbacks(settings: &Settings) -> Vec<IpNet> {
    let mut loopbacks = vec![IpNet::V4(settings.loopback)];
    if settings.ipv6 {
        loopbacks.push(IpNet::V6(Ipv6Net::from(Ipv6Addr::LOCALHOST)));
    }
    loopbacks
}

/// Whether the rules speak of this network's family.
fn is_covered(settings: &Settings, network: &IpNet) -> bool {
    settings.ipv6 || matches!(network, IpNet::V4(_))
}

/// The DNS servers whose requests are captured, when they are listed and covered by the rules.
fn dns_servers(settings: &Settings) -> Vec<IpNet> {
    match &settings.dns {
        crate::Dns::Off | crate::Dns::All => Vec::new(),
        crate::Dns::Servers { v4, v6 } => {
            let v6 = v6
                .iter()
                .filter(|_| settings.ipv6)
                .map(|server| host(*server));
            v4.iter().map(|server| host(*server)).chain(v6).collect()
        }
    }
}

/// Whether any DNS request is captured.
fn captures_dns(settings: &Settings) -> bool {
    settings.dns == crate::Dns::All || !dns_servers(settings).is_empty()
}

#[cfg(test)]
mod tests;
