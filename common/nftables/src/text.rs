//! The text back end: each command as one line that `nft -f` reads.

use std::fmt::{self, Display, Formatter};

use ipnet::IpNet;

use crate::{
    Command, ConnectionStates, Family, HookPoint, HookType, MarkSource, Op, OwnerKind, Ports,
    Position, Protocol, Statement, TproxyFamily, Verdict,
};

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddTable { family, table } => write!(f, "add table {family} {table}"),
            Self::FlushTable { family, table } => write!(f, "flush table {family} {table}"),
            Self::DeleteTable { family, table } => write!(f, "delete table {family} {table}"),
            Self::AddChain {
                family,
                table,
                chain,
                hook,
            } => {
                write!(f, "add chain {family} {table} {chain}")?;
                let Some(hook) = hook else { return Ok(()) };
                write!(
                    f,
                    " {{ type {} hook {} priority {} ; }}",
                    hook.type_, hook.hook, hook.priority
                )
            }
            Self::AddRule {
                family,
                table,
                chain,
                position,
                statements,
            } => {
                match position {
                    Position::Last => write!(f, "add rule {family} {table} {chain}")?,
                    Position::Before(index) => {
                        write!(f, "insert rule {family} {table} {chain} index {index}")?
                    }
                }
                statements
                    .iter()
                    .try_for_each(|statement| write!(f, " {statement}"))
            }
        }
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iifname(op, name) => write!(f, "iifname {op}{name}"),
            Self::Oifname(op, name) => write!(f, "oifname {op}{name}"),
            Self::L4proto(op, protocol) => write!(f, "meta l4proto {op}{protocol}"),
            Self::Saddr(op, network) => {
                write!(f, "{} saddr {op}{}", family_of(network), spelled(network))
            }
            Self::Daddr(op, network) => {
                write!(f, "{} daddr {op}{}", family_of(network), spelled(network))
            }
            Self::Sport(op, protocol, ports) => write!(f, "{protocol} sport {op}{ports}"),
            Self::Dport(op, protocol, ports) => write!(f, "{protocol} dport {op}{ports}"),
            Self::SocketOwner {
                kind,
                op,
                owner,
                qualified,
            } => {
                let meta = if *qualified { "meta " } else { "" };
                write!(f, "{meta}{kind} {op}{owner}")
            }
            Self::Mark(op, mark) => write!(f, "mark {op}{mark}"),
            Self::CtMark(op, mark) => write!(f, "ct mark {op}{mark}"),
            Self::CtState(states) => write!(f, "ct state {states}"),
            Self::NumgenRandom { modulus, below } => {
                write!(f, "numgen random mod {modulus} < {below}")
            }
            Self::Counter => f.write_str("counter"),
            Self::Verdict(verdict) => write!(f, "{verdict}"),
            Self::Redirect(port) => write!(f, "redirect to :{port}"),
            Self::Dnat(to) => write!(
                f,
                "dnat {} to {to}",
                if to.is_ipv4() { "ip" } else { "ip6" }
            ),
            Self::Masquerade => f.write_str("masquerade"),
            Self::Tproxy(family, port) => write!(f, "tproxy {family} to :{port}"),
            Self::SetMark(source) => write!(f, "meta mark set {source}"),
            Self::SetCtMark(source) => write!(f, "ct mark set {source}"),
            Self::SetCtZone(zone) => write!(f, "ct zone set {zone}"),
        }
    }
}

fn family_of(network: &IpNet) -> &'static str {
    match network {
        IpNet::V4(_) => "ip",
        IpNet::V6(_) => "ip6",
    }
}

/// Networks as the C library and `nft` spell them: an IPv6 address that only fills its last 32 bits ends like an IPv4
/// one, unless it is so small that it fills 16.
pub fn spelled(network: &IpNet) -> String {
    if let IpNet::V6(network) = network
        && let [0, 0, 0, 0, 0, 0, high, low] = network.addr().segments()
        && high != 0
    {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return format!("::{a}.{b}.{c}.{d}/{}", network.prefix_len());
    }
    network.to_string()
}

impl Display for Op {
    /// Equality has no sign in nft's text; inequality is written with the space that parts it from its value.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eq => Ok(()),
            Self::Ne => f.write_str("!= "),
        }
    }
}

impl Display for Ports {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(port) => write!(f, "{port}"),
            Self::Set(ports) => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                write!(f, "{{ {} }}", ports.join(", "))
            }
        }
    }
}

impl Display for ConnectionStates {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let named = [
            (self.invalid, "invalid"),
            (self.new, "new"),
            (self.related, "related"),
            (self.established, "established"),
        ];
        let names: Vec<&str> = named
            .into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect();
        f.write_str(&names.join(","))
    }
}

impl Display for MarkSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(mark) => write!(f, "{mark}"),
            Self::Packet => f.write_str("mark"),
            Self::Connection => f.write_str("ct mark"),
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
        }
    }
}

/// Write the fixed word that nft has for each variant.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Display for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

words!(Family { Inet = "inet", Ip = "ip", Ip6 = "ip6" });
words!(TproxyFamily { Ip = "ip", Ip6 = "ip6" });
words!(HookType { Nat = "nat", Filter = "filter", Route = "route" });
words!(HookPoint {
    Prerouting = "prerouting",
    Input = "input",
    Forward = "forward",
    Output = "output",
    Postrouting = "postrouting",
});
words!(Protocol { Tcp = "tcp", Udp = "udp" });
words!(OwnerKind { User = "skuid", Group = "skgid" });

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn networks_are_spelled_as_the_c_library_does_and_keep_their_host_bits() {
        for text in [
            "::127.0.0.53/128",
            "::6/128",
            "::1/128",
            "2001:db8::/32",
            "127.0.0.1/8",
        ] {
            assert_eq!(spelled(&text.parse().unwrap()), text);
        }
    }

    #[test]
    fn a_rule_is_written_with_its_place() {
        let mut batch = crate::Batch::new();
        batch.insert_rule(Family::Inet, "t", "c", 2, vec![Statement::SetCtZone(1)]);
        assert_eq!(
            batch.to_nft_text(),
            "insert rule inet t c index 2 ct zone set 1\n"
        );
    }
}
