//! What a chain hooks into and what a rule says: the vocabulary both back ends share.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::{InterfaceName, Owner, OwnerKind};

/// The address family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 and IPv6 in one table.
    Inet,
    /// IPv4 alone.
    Ip,
    /// IPv6 alone.
    Ip6,
}

/// What kind of base chain a hook makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookType {
    /// Sees the first packet of each connection and may rewrite its addresses.
    Nat,
    /// Sees every packet.
    Filter,
    /// Sees locally made packets; a changed mark makes the kernel route the packet again.
    Route,
}

/// The place in the packet's path where a base chain is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPoint {
    /// Every packet that arrives, before it is routed.
    Prerouting,
    /// Packets for this host.
    Input,
    /// Packets passing through this host.
    Forward,
    /// Packets made on this host.
    Output,
    /// Every packet about to leave.
    Postrouting,
}

/// Makes a chain a base chain: called by the kernel at `hook`, lower `priority` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// What the chain may do.
    pub type_: HookType,
    /// Where it is called.
    pub hook: HookPoint,
    /// Order among chains of the same hook: -300 is raw, -150 mangle, -100 dstnat, 0 filter, 100 srcnat.
    pub priority: i32,
}

/// Where a rule goes in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// After every rule that is there.
    Last,
    /// Before the rule that has this index (from 0) when the command is carried out.
    Before(u32),
}

/// Whether a match wants equality or its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// The values are equal, or the value is in the set.
    Eq,
    /// The values differ, or the value is not in the set.
    Ne,
}

/// A transport protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP, number 6.
    Tcp,
    /// UDP, number 17.
    Udp,
}

/// One port, or an anonymous set of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// This port.
    One(u16),
    /// Any of these ports; the set must not be empty.
    Set(Vec<u16>),
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self::One(port)
    }
}

impl From<Vec<u16>> for Ports {
    fn from(ports: Vec<u16>) -> Self {
        Self::Set(ports)
    }
}

/// The connection-tracking states that a match accepts: any one that is `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionStates {
    /// The packet fits no connection.
    pub invalid: bool,
    /// The packet opens a connection.
    pub new: bool,
    /// The connection was opened by another one.
    pub related: bool,
    /// Packets went both ways.
    pub established: bool,
}

/// Where the value of a mark that is set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkSource {
    /// This number.
    Value(u32),
    /// The mark of the packet (`meta mark`).
    Packet,
    /// The mark of the connection (`ct mark`).
    Connection,
}

/// How a rule ends for the packets that reach its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let the packet pass this hook's chain.
    Accept,
    /// Lose the packet.
    Drop,
    /// Go back to the calling chain; in a base chain, accept.
    Return,
    /// Call another chain of the same table.
    Jump(String),
}

/// One part of a rule. A rule is read from left to right: a match that fails ends it, everything else acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `iifname`: the interface the packet came in by.
    Iifname(Op, InterfaceName),
    /// `oifname`: the interface the packet will leave by.
    Oifname(Op, InterfaceName),
    /// `meta l4proto`: the transport protocol.
    L4proto(Op, Protocol),
    /// `ip saddr` or `ip6 saddr`: the source address is in the network. Matches packets of that family alone.
    Saddr(Op, IpNet),
    /// `ip daddr` or `ip6 daddr`: the destination address is in the network. Matches packets of that family alone.
    Daddr(Op, IpNet),
    /// `tcp sport` or `udp sport`: the source port.
    Sport(Op, Protocol, Ports),
    /// `tcp dport` or `udp dport`: the destination port.
    Dport(Op, Protocol, Ports),
    /// `skuid` or `skgid`: the user or group of the local socket that sends the packet.
    SocketOwner {
        /// Whether the user or the group is looked at.
        kind: OwnerKind,
        /// Equal or not.
        op: Op,
        /// The id, or a name resolved against `/etc/passwd` or `/etc/group` when the batch is applied.
        owner: Owner,
        /// Write `meta skuid` instead of nft's short `skuid`; both mean the same.
        qualified: bool,
    },
    /// `mark`: the packet's mark.
    Mark(Op, u32),
    /// `ct mark`: the connection's mark.
    CtMark(Op, u32),
    /// `ct state`: the connection is in any of the states.
    CtState(ConnectionStates),
    /// `numgen random mod M < K`: true for K of M packets (of connections, in a nat chain), by chance.
    NumgenRandom {
        /// M: at least 1.
        modulus: u32,
        /// K: from 0 (never) to M (always).
        below: u32,
    },
    /// `counter`: count packets and bytes.
    Counter,
    /// End the rule.
    Verdict(Verdict),
    /// `redirect to :port`: to this host, on the given port. The transport protocol must have been matched before.
    Redirect(u16),
    /// `dnat ip to addr:port`: rewrite the destination. The transport protocol must have been matched before.
    Dnat(SocketAddr),
    /// `masquerade`: rewrite the source to the address of the interface the packet leaves by.
    Masquerade,
    /// `tproxy ip to :port` or `tproxy ip6 to :port`: give the packet to a transparent socket of this host.
    /// TCP or UDP must have been matched before.
    Tproxy(TproxyFamily, u16),
    /// `meta mark set`.
    SetMark(MarkSource),
    /// `ct mark set`.
    SetCtMark(MarkSource),
    /// `ct zone set`: the connection-tracking zone that the packet is looked up in.
    SetCtZone(u16),
}

/// The family of the transparent socket; a table of family inet has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TproxyFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
}

impl Statement {
    /// `<protocol> dport <ports>`.
    #[must_use]
    pub fn dport(protocol: Protocol, ports: impl Into<Ports>) -> Self {
        Self::Dport(Op::Eq, protocol, ports.into())
    }

    /// `<protocol> sport <ports>`.
    #[must_use]
    pub fn sport(protocol: Protocol, ports: impl Into<Ports>) -> Self {
        Self::Sport(Op::Eq, protocol, ports.into())
    }

    /// `ip daddr <network>` or `ip6 daddr <network>`.
    #[must_use]
    pub fn daddr(network: impl Into<IpNet>) -> Self {
        Self::Daddr(Op::Eq, network.into())
    }

    /// `ip saddr <network>` or `ip6 saddr <network>`.
    #[must_use]
    pub fn saddr(network: impl Into<IpNet>) -> Self {
        Self::Saddr(Op::Eq, network.into())
    }

    /// `meta l4proto <protocol>`.
    #[must_use]
    pub fn l4proto(protocol: Protocol) -> Self {
        Self::L4proto(Op::Eq, protocol)
    }

    /// `jump <chain>`.
    #[must_use]
    pub fn jump(chain: impl Into<String>) -> Self {
        Self::Verdict(Verdict::Jump(chain.into()))
    }

    /// `return`.
    #[must_use]
    pub fn return_() -> Self {
        Self::Verdict(Verdict::Return)
    }
}
