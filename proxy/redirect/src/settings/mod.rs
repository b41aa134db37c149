//! What is to be redirected: the flags of `istio-iptables`, read and checked.

pub mod list;

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use nftables::{InterfaceName, Owner};

/// How inbound connections reach the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundMode {
    /// By rewriting the destination: the application sees the proxy's address as source.
    Redirect,
    /// By handing the packet to a transparent socket: source and destination stay.
    Tproxy,
}

/// How rules are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// As nftables rules, over netlink.
    Nftables,
    /// As iptables rules, by the programs `iptables-restore` and `ip6tables-restore`.
    Iptables,
}

/// Which of the programs that share the name `iptables` are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Those that `iptables` stands for on this machine.
    Default,
    /// `iptables-nft-restore` and the like, which make nftables rules.
    Nft,
    /// `iptables-legacy-restore` and the like, for kernels without nf_tables.
    Legacy,
}

/// Everything, or the things listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection<T> {
    /// `*`.
    All,
    /// These alone; an empty list is none.
    These(Vec<T>),
}

impl<T> Selection<T> {
    /// Whether nothing is selected.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::These(list) if list.is_empty())
    }
}

/// Whose outgoing traffic is redirected, by the group of the sending socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerGroups {
    /// That of every group but these.
    AllBut(Vec<Owner>),
    /// That of these groups alone.
    Only(Vec<Owner>),
}

/// Which DNS requests go to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dns {
    /// None.
    Off,
    /// Those to these servers: the ones that the application would ask.
    Servers {
        /// IPv4 servers.
        v4: Vec<Ipv4Addr>,
        /// IPv6 servers; without IPv6 rules they are left alone.
        v6: Vec<Ipv6Addr>,
    },
    /// Those to any server.
    All,
}

/// All that the rules depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where outgoing connections go; 15001.
    pub proxy_port: u16,
    /// Where incoming connections go; 15006.
    pub inbound_capture_port: u16,
    /// Incoming connections to this port are already for the proxy; 15008.
    pub inbound_tunnel_port: u16,
    /// Users whose traffic is the proxy's own; 1337.
    pub proxy_users: Vec<Owner>,
    /// Groups whose traffic is the proxy's own; as the users.
    pub proxy_groups: Vec<Owner>,
    /// How incoming connections reach the proxy.
    pub inbound_mode: InboundMode,
    /// The packet mark of [`InboundMode::Tproxy`]; 1337.
    pub tproxy_mark: u32,
    /// The routing table of [`InboundMode::Tproxy`]; 133.
    pub tproxy_route_table: u32,
    /// Ports whose incoming connections are redirected.
    pub inbound_ports: Selection<u16>,
    /// Ports left alone when all incoming ones are redirected.
    pub inbound_ports_exclude: Vec<u16>,
    /// Ports whose outgoing connections are redirected, whatever the address.
    pub outbound_ports: Vec<u16>,
    /// Ports whose outgoing traffic is left alone.
    pub outbound_ports_exclude: Vec<u16>,
    /// Destinations whose outgoing connections are redirected.
    pub outbound_ranges: Selection<IpNet>,
    /// Destinations whose outgoing connections are left alone.
    pub outbound_ranges_exclude: Vec<IpNet>,
    /// Whose outgoing traffic is redirected.
    pub owner_groups: OwnerGroups,
    /// Interfaces (of virtual machines) whose incoming traffic counts as outgoing.
    pub reroute_interfaces: Vec<InterfaceName>,
    /// Interfaces whose traffic is left alone.
    pub exclude_interfaces: Vec<InterfaceName>,
    /// Which DNS requests go to the agent.
    pub dns: Dns,
    /// Drop packets that fit no connection, instead of answering them with a reset.
    pub drop_invalid: bool,
    /// Write rules for IPv6 too.
    pub ipv6: bool,
    /// The IPv4 destinations on the loopback interface that mean the application's own container; 127.0.0.1/32.
    pub loopback: Ipv4Net,
}

impl Settings {
    /// Whether outgoing connections to some loopback address are redirected because the ranges say so.
    #[must_use]
    pub fn redirects_loopback(&self) -> bool {
        match &self.outbound_ranges {
            Selection::All => false,
            Selection::These(ranges) => ranges.iter().any(|range| range.addr().is_loopback()),
        }
    }

    /// Whether incoming connections are handed over by TPROXY.
    #[must_use]
    pub fn uses_tproxy(&self) -> bool {
        self.inbound_mode == InboundMode::Tproxy && !self.inbound_ports.is_none()
    }
}
