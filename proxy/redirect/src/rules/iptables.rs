//! The same rules as `iptables-restore` and `ip6tables-restore` read them, in the words and the order of Istio's tool:
//! chains are named in capitals, each address family has rules of its own.

use std::fmt::Write;

use ipnet::IpNet;
use nftables::{
    ConnectionStates, InterfaceName, MarkSource, Op, OwnerKind, Ports, Protocol, Statement,
    TproxyFamily, Verdict, spelled,
};

use super::{mangle, nat, raw, table::Rule, table::Table};
use crate::Settings;

mod saved;

pub use saved::removal;

/// Which of the two programs reads the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVersion {
    /// `iptables-restore`.
    V4,
    /// `ip6tables-restore`.
    V6,
}

/// The tables of one address family. Chains that the kernel calls are there by themselves, all others are made.
#[must_use]
pub fn text(settings: &Settings, version: IpVersion) -> String {
    let mut text = String::new();
    let mut tables = super::tables(settings);
    tables.sort_by_key(|table| table.name());
    for table in tables {
        write_table(&mut text, &table, version);
    }
    text
}

fn write_table(text: &mut String, table: &Table, version: IpVersion) {
    let of_family = || table.rules().iter().filter(|rule| applies(rule, version));
    // DNS servers may all be of the other family, and then the chains for them are not made.
    let leads_nowhere =
        |rule: &Rule| jumps(rule).any(|chain| !of_family().any(|rule| rule.chain == chain));
    let rules = || of_family().filter(|rule| !leads_nowhere(rule));
    if rules().next().is_none() {
        return;
    }
    let mut chains: Vec<&str> = Vec::new();
    let jumped_to = rules().flat_map(jumps);
    for chain in rules().map(|rule| rule.chain).chain(jumped_to) {
        if !is_built_in(chain) && !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    let name = match table.name() {
        nat::TABLE => "nat",
        mangle::TABLE => "mangle",
        raw::TABLE => "raw",
        other => other,
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "* {name}");
    for chain in chains {
        let _ = writeln!(text, "-N {}", chain_name(chain));
    }
    for rule in rules() {
        let chain = chain_name(rule.chain);
        let _ = match rule.before {
            None => write!(text, "-A {chain}"),
            Some(index) => write!(text, "-I {chain} {}", index.saturating_add(1)),
        };
        for word in words(table.name(), rule) {
            let _ = write!(text, " {word}");
        }
        text.push('\n');
    }
    text.push_str("COMMIT\n");
}

/// The chains that a rule jumps to.
fn jumps(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.statements
        .iter()
        .filter_map(|statement| match statement {
            Statement::Verdict(Verdict::Jump(chain)) => Some(chain.as_str()),
            _ => None,
        })
}

fn is_built_in(chain: &str) -> bool {
    matches!(chain, "prerouting" | "output")
}

fn chain_name(chain: &str) -> String {
    chain.to_ascii_uppercase().replace('-', "_")
}

/// Whether the rule can concern packets of this family.
fn applies(rule: &Rule, version: IpVersion) -> bool {
    rule.statements.iter().all(|statement| match statement {
        Statement::Saddr(_, network) | Statement::Daddr(_, network) => {
            matches!(network, IpNet::V4(_)) == (version == IpVersion::V4)
        }
        Statement::Tproxy(family, _) => (*family == TproxyFamily::Ip) == (version == IpVersion::V4),
        _ => true,
    })
}

/// The parts of a rule, which Istio's tool writes in another order in each table.
#[derive(Default)]
struct Parts {
    interface: String,
    address: String,
    protocol: String,
    ports: String,
    matches: Vec<String>,
    target: String,
    /// The address is excluded.
    negated: bool,
    /// The ports are named, not excluded.
    ports_named: bool,
}

fn words(table: &str, rule: &Rule) -> Vec<String> {
    let parts = parts(rule);
    let transport = [parts.protocol, parts.ports];
    let mut words: Vec<String> = match table {
        mangle::TABLE if parts.negated => {
            let [protocol, ports] = transport;
            vec![parts.address, protocol, ports, parts.interface]
        }
        mangle::TABLE | raw::TABLE => {
            let [protocol, ports] = transport;
            vec![protocol, ports, parts.address, parts.interface]
        }
        // A DNS server is named by port and address.
        _ if !parts.negated && parts.ports_named => {
            let [protocol, ports] = transport;
            vec![parts.interface, protocol, ports, parts.address]
        }
        _ => {
            let [protocol, ports] = transport;
            vec![parts.interface, parts.address, protocol, ports]
        }
    };
    words.extend(parts.matches);
    words.push(parts.target);
    words.retain(|word| !word.is_empty());
    words
}

fn parts(rule: &Rule) -> Parts {
    let mut parts = Parts::default();
    let mut transport = None;
    for statement in &rule.statements {
        match statement {
            Statement::Iifname(op, name) => parts.interface = interface(*op, "-i", name),
            Statement::Oifname(op, name) => parts.interface = interface(*op, "-o", name),
            Statement::L4proto(op, protocol) => {
                transport = Some(*protocol);
                parts.protocol = format!("{}-p {protocol}", not(*op));
            }
            Statement::Saddr(op, network) => address(&mut parts, *op, "-s", network),
            Statement::Daddr(op, network) => address(&mut parts, *op, "-d", network),
            Statement::Sport(op, protocol, ports) | Statement::Dport(op, protocol, ports) => {
                transport = Some(*protocol);
                parts.protocol = format!("-p {protocol}");
                parts.ports_named = *op == Op::Eq;
                let side = match statement {
                    Statement::Sport(..) => "sport",
                    _ => "dport",
                };
                parts.ports = match ports {
                    Ports::One(port) => format!("{}--{side} {port}", not(*op)),
                    Ports::Set(ports) => {
                        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                        format!("-m multiport {}--{side}s {}", not(*op), ports.join(","))
                    }
                };
            }
            Statement::SocketOwner {
                kind, op, owner, ..
            } => {
                let kind = match kind {
                    OwnerKind::User => "uid",
                    OwnerKind::Group => "gid",
                };
                let owned = format!("-m owner {}--{kind}-owner {owner}", not(*op));
                parts.matches.push(owned);
            }
            Statement::Mark(op, mark) => {
                parts
                    .matches
                    .push(format!("-m mark {}--mark {mark}", not(*op)));
            }
            Statement::CtMark(op, mark) => {
                parts
                    .matches
                    .push(format!("-m connmark {}--mark {mark}", not(*op)));
            }
            Statement::CtState(states) => {
                // Whatever its protocol is, as Istio's rule has it.
                if states.invalid {
                    parts.protocol.clear();
                }
                parts
                    .matches
                    .push(format!("-m conntrack --ctstate {}", named(*states)));
            }
            Statement::NumgenRandom { modulus, below } => {
                let share = f64::from(*below) / f64::from((*modulus).max(1));
                parts
                    .matches
                    .push(format!("-m statistic --mode random --probability {share}"));
            }
            // Every rule counts.
            Statement::Counter => {}
            Statement::Verdict(verdict) => {
                // TPROXY marks and accepts by itself, and so is a target already.
                if parts.target.is_empty() {
                    parts.target = match verdict {
                        Verdict::Accept => "-j ACCEPT".to_owned(),
                        Verdict::Drop => "-j DROP".to_owned(),
                        Verdict::Return => "-j RETURN".to_owned(),
                        Verdict::Jump(chain) => format!("-j {}", chain_name(chain)),
                    };
                }
            }
            Statement::Redirect(port) => {
                let flag = match transport {
                    Some(Protocol::Udp) => "--to-port",
                    _ => "--to-ports",
                };
                parts.target = format!("-j REDIRECT {flag} {port}");
            }
            Statement::Dnat(to) => parts.target = format!("-j DNAT --to-destination {to}"),
            Statement::Masquerade => parts.target = "-j MASQUERADE".to_owned(),
            Statement::Tproxy(_, port) => {
                let mark = rule
                    .statements
                    .iter()
                    .find_map(|statement| match statement {
                        Statement::SetMark(MarkSource::Value(mark)) => Some(*mark),
                        _ => None,
                    });
                let mark = mark.unwrap_or_default();
                parts.target =
                    format!("-j TPROXY --tproxy-mark {mark}/0xffffffff --on-port {port}");
            }
            Statement::SetMark(source) => {
                if parts.target.is_empty() {
                    parts.target = match source {
                        MarkSource::Value(mark) => format!("-j MARK --set-mark {mark}"),
                        MarkSource::Connection => "-j CONNMARK --restore-mark".to_owned(),
                        MarkSource::Packet => String::new(),
                    };
                }
            }
            Statement::SetCtMark(source) => {
                parts.target = match source {
                    MarkSource::Value(mark) => format!("-j CONNMARK --set-mark {mark}"),
                    MarkSource::Packet => "-j CONNMARK --save-mark".to_owned(),
                    MarkSource::Connection => String::new(),
                };
            }
            Statement::SetCtZone(zone) => parts.target = format!("-j CT --zone {zone}"),
        }
    }
    parts
}

fn not(op: Op) -> &'static str {
    match op {
        Op::Eq => "",
        Op::Ne => "! ",
    }
}

/// iptables writes "any rest" with a plus sign.
fn interface(op: Op, flag: &str, name: &InterfaceName) -> String {
    let name = name.as_str();
    match name.strip_suffix('*') {
        Some(prefix) => format!("{}{flag} {prefix}+", not(op)),
        None => format!("{}{flag} {name}", not(op)),
    }
}

fn address(parts: &mut Parts, op: Op, flag: &str, network: &IpNet) {
    parts.negated = op == Op::Ne;
    parts.address = format!("{}{flag} {}", not(op), spelled(network));
}

fn named(states: ConnectionStates) -> String {
    let named = [
        (states.invalid, "INVALID"),
        (states.new, "NEW"),
        (states.related, "RELATED"),
        (states.established, "ESTABLISHED"),
    ];
    let names: Vec<&str> = named
        .iter()
        .filter(|(there, _)| *there)
        .map(|(_, name)| *name)
        .collect();
    names.join(",")
}

#[cfg(test)]
mod tests;
