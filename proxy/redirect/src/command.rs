//! The command line: Istio's flags with Istio's variables and defaults. A flag wins over its variable.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser};
use ipnet::{IpNet, Ipv4Net};
use nftables::{InterfaceName, Owner};
use process::logging::LogArgs;

use crate::{
    Backend, Dns, Error, InboundMode, OwnerGroups, Selection, Settings, Variant,
    environment::Environment,
    list::{self, InvalidValue},
};

// Aliases, since clap reads a field written `Vec<..>` as a flag that is given several times.
type Ports = Vec<u16>;
type Networks = Vec<IpNet>;
type Owners = Vec<Owner>;
type Interfaces = Vec<InterfaceName>;

const EXAMPLES: &str = "Examples:
  # What an injected pod's init container runs: everything in and out, but for the proxy's own ports
  istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020

  # Show the rules as `nft -f` reads them, and change nothing
  istio-iptables -i '*' -b '*' --dry-run

  # Outgoing traffic to two networks alone, nothing incoming
  istio-iptables -i 10.0.0.0/8,192.168.0.0/16

  # Keep client addresses on incoming connections
  istio-iptables -m TPROXY -i '*' -b '*'

  # DNS to the agent on port 15053
  istio-iptables -i '*' -b '*' --redirect-dns

  # From the node, in a pod's network namespace
  istio-iptables -i '*' -b '*' --network-namespace /proc/4711/ns/net

  # Does the redirect work? (as the proxy's user; exit code 126 when not)
  istio-iptables --run-validation --skip-rule-apply

  # By the programs iptables-restore and ip6tables-restore, on a kernel without nf_tables
  istio-iptables -i '*' -b '*' --backend iptables --force-iptables-binary legacy

  # Remove all rules
  istio-iptables --cleanup-only";

/// Redirect a pod's traffic to its proxy by nftables or iptables rules
///
/// The rules replace those of an earlier run, whatever its settings were; running twice leaves the same rules as
/// running once. nftables rules are loaded in one transaction and without the programs `iptables` and `nft`.
#[derive(Debug, Parser)]
#[command(name = "istio-iptables", after_help = EXAMPLES, disable_version_flag = true)]
pub struct Options {
    /// Port of the proxy that outgoing TCP connections are redirected to
    #[arg(short = 'p', long, value_name = "PORT", default_value = "15001", value_parser = list::port)]
    pub(crate) envoy_port: u16,

    /// Port of the proxy that incoming TCP connections are redirected to
    #[arg(short = 'z', long, value_name = "PORT", env, default_value = "15006", value_parser = list::port)]
    pub(crate) inbound_capture_port: u16,

    /// Port of the proxy for tunnelled (HBONE) connections, which are left as they are
    #[arg(short = 'e', long, value_name = "PORT", env, default_value = "15008", value_parser = list::port)]
    pub(crate) inbound_tunnel_port: u16,

    /// Users (ids or names) whose traffic is not redirected: those the proxy runs as. Without it, the user of the name
    /// in ENVOY_USER (istio-proxy), or else 1337. Example: 1337
    #[arg(short = 'u', long, value_name = "UIDS", env, default_value = "", value_parser = list::owners)]
    pub(crate) proxy_uid: Owners,

    /// Groups (ids or names) whose traffic is not redirected. Without it, those of --proxy-uid. Example: 1337
    #[arg(short = 'g', long, value_name = "GIDS", env, default_value = "", value_parser = list::owners)]
    pub(crate) proxy_gid: Owners,

    /// How incoming connections are redirected: REDIRECT rewrites their destination, TPROXY keeps both addresses
    #[arg(
        short = 'm', long = "istio-inbound-interception-mode", value_name = "MODE",
        env = "ISTIO_INBOUND_INTERCEPTION_MODE", default_value = "", value_parser = list::mode
    )]
    pub(crate) mode: InboundMode,

    /// Ports whose incoming connections are redirected, `*` for all; empty for none. Example: 80,443
    #[arg(
        short = 'b', long = "istio-inbound-ports", value_name = "PORTS", env = "ISTIO_INBOUND_PORTS",
        default_value = "", value_parser = list::port_selection
    )]
    pub(crate) inbound_ports: Selection<u16>,

    /// Ports left alone when all incoming connections are redirected. Example: 15090,15021,15020
    #[arg(
        short = 'd', long = "istio-local-exclude-ports", value_name = "PORTS", env = "ISTIO_LOCAL_EXCLUDE_PORTS",
        default_value = "", value_parser = list::ports
    )]
    pub(crate) inbound_ports_exclude: Ports,

    /// Interfaces whose traffic is left alone, in and out. Example: eth1,net*
    #[arg(
        short = 'c', long = "istio-exclude-interfaces", value_name = "NAMES", env = "ISTIO_EXCLUDE_INTERFACES",
        default_value = "", value_parser = list::interfaces
    )]
    pub(crate) exclude_interfaces: Interfaces,

    /// Networks that outgoing connections are redirected for, `*` for all; empty for none. Example: 10.0.0.0/8
    #[arg(
        short = 'i', long = "istio-service-cidr", value_name = "CIDRS", env = "ISTIO_SERVICE_CIDR",
        default_value = "", value_parser = list::network_selection
    )]
    pub(crate) outbound_ranges: Selection<IpNet>,

    /// Networks that outgoing connections are left alone for. Example: 169.254.169.254/32
    #[arg(
        short = 'x', long = "istio-service-exclude-cidr", value_name = "CIDRS", env = "ISTIO_SERVICE_EXCLUDE_CIDR",
        default_value = "", value_parser = list::networks
    )]
    pub(crate) outbound_ranges_exclude: Networks,

    /// Ports whose outgoing connections are redirected whatever the address is. Example: 9090
    #[arg(
        short = 'q', long = "istio-outbound-ports", value_name = "PORTS", env = "ISTIO_OUTBOUND_PORTS",
        default_value = "", value_parser = list::ports
    )]
    pub(crate) outbound_ports: Ports,

    /// Ports whose outgoing traffic is left alone. Example: 5432
    #[arg(
        short = 'o', long = "istio-local-outbound-ports-exclude", value_name = "PORTS",
        env = "ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE", default_value = "", value_parser = list::ports
    )]
    pub(crate) outbound_ports_exclude: Ports,

    /// Groups whose outgoing traffic is redirected, `*` for all. Example: java,202
    #[arg(
        long = "istio-outbound-owner-groups", value_name = "GIDS", env = "ISTIO_OUTBOUND_OWNER_GROUPS",
        default_value = "*", value_parser = list::owner_selection
    )]
    pub(crate) owner_groups: Selection<Owner>,

    /// Groups whose outgoing traffic is left alone when that of all is redirected. Example: 888,ftp
    #[arg(
        long = "istio-outbound-owner-groups-exclude", value_name = "GIDS",
        env = "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", default_value = "", value_parser = list::owners
    )]
    pub(crate) owner_groups_exclude: Owners,

    /// Loopback destinations that mean the application's own container
    #[arg(
        long = "istio-outbound-ipv4-loopback-cidr", value_name = "CIDR", env = "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR",
        default_value = "127.0.0.1/32", value_parser = list::loopback
    )]
    pub(crate) loopback: Ipv4Net,

    /// Interfaces of virtual machines, whose incoming traffic is redirected as outgoing. Example: tap0
    #[arg(short = 'k', long, value_name = "NAMES", env, default_value = "", value_parser = list::interfaces)]
    pub(crate) kube_virt_interfaces: Interfaces,

    /// Mark of the packets that TPROXY hands over
    #[arg(
        short = 't', long = "istio-inbound-tproxy-mark", value_name = "MARK", env = "ISTIO_INBOUND_TPROXY_MARK",
        default_value = "1337", value_parser = list::mark
    )]
    pub(crate) tproxy_mark: u32,

    /// Routing table by which marked packets reach the proxy
    #[arg(
        short = 'r', long = "istio-inbound-tproxy-route-table", value_name = "TABLE",
        env = "ISTIO_INBOUND_TPROXY_ROUTE_TABLE", default_value = "133", value_parser = list::route_table
    )]
    pub(crate) tproxy_route_table: u32,

    /// Redirect DNS requests (to the servers of /etc/resolv.conf) to the agent on port 15053; also by
    /// ISTIO_META_DNS_CAPTURE
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = list::boolean)]
    pub(crate) redirect_dns: Option<bool>,

    /// With --redirect-dns: redirect DNS requests to any server
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) capture_all_dns: bool,

    /// Drop incoming TCP packets that fit no connection instead of resetting the sender; also by INVALID_DROP
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = list::boolean)]
    pub(crate) drop_invalid: Option<bool>,

    /// Write rules for IPv6 when the pod has an address of that family beside an IPv4 one; also by ISTIO_DUAL_STACK
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = list::boolean)]
    pub(crate) dual_stack: Option<bool>,

    /// Print the rules as `nft -f` (or `iptables-restore` and `ip6tables-restore`) reads them and change nothing
    #[arg(short = 'n', long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = list::boolean,
          action = ArgAction::Set)]
    pub(crate) dry_run: bool,

    /// Load no rules; for --run-validation alone
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) skip_rule_apply: bool,

    /// Remove every rule, route and address that an earlier run made, and make none
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) cleanup_only: bool,

    /// Check by a connection that the redirect works; the exit code is 126 when it does not
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) run_validation: bool,

    /// Port that --run-validation connects to; nothing may listen there
    #[arg(long, value_name = "PORT", env, default_value = "15002", value_parser = list::port)]
    pub(crate) iptables_probe_port: u16,

    /// Time that --run-validation waits. Example: 500ms
    #[arg(long, value_name = "DURATION", env, default_value = "5s", value_parser = list::duration)]
    pub(crate) probe_timeout: Duration,

    /// File of the network namespace to work in. Example: /proc/4711/ns/net
    #[arg(long, value_name = "PATH", env)]
    pub(crate) network_namespace: Option<PathBuf>,

    /// Accepted for Istio's CNI plugin; there is no lock file whose place would depend on it
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) cni_mode: bool,

    /// Accepted; each run replaces what an earlier one left
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) reconcile: bool,

    /// Accepted; each run loads its rules, also when they are there already
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) force_apply: bool,

    /// Write nftables rules; `false` means --backend iptables
    #[arg(long, value_name = "BOOL", env, num_args = 0..=1, require_equals = true, default_value = "true",
          default_missing_value = "true", value_parser = list::boolean, action = ArgAction::Set)]
    pub(crate) native_nftables: bool,

    /// How rules are loaded: nftables (over netlink) or iptables (by iptables-restore and ip6tables-restore, which
    /// must be installed)
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) backend: Option<Backend>,

    /// With --backend iptables: run `iptables-nft-*` or `iptables-legacy-*` programs [default: what `iptables` is]
    #[arg(long, value_name = "NAME", env, default_value = "", value_parser = list::variant)]
    pub(crate) force_iptables_binary: Variant,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl Options {
    /// How rules are loaded.
    pub(crate) fn backend(&self) -> Backend {
        self.backend.unwrap_or(if self.native_nftables {
            Backend::Nftables
        } else {
            Backend::Iptables
        })
    }

    /// The rules' settings, with what the environment says where no flag does.
    ///
    /// # Errors
    /// When a variable that stands in for a flag has an invalid value, or the name servers are wanted and not known.
    pub fn settings(&self, environment: &Environment) -> Result<Settings, Error> {
        let proxy_users = if self.proxy_uid.is_empty() {
            vec![environment.proxy_user.clone()]
        } else {
            self.proxy_uid.clone()
        };
        let proxy_groups = if self.proxy_gid.is_empty() {
            proxy_users.clone()
        } else {
            self.proxy_gid.clone()
        };
        Ok(Settings {
            proxy_port: self.envoy_port,
            inbound_capture_port: self.inbound_capture_port,
            inbound_tunnel_port: self.inbound_tunnel_port,
            proxy_users,
            proxy_groups,
            inbound_mode: self.mode,
            tproxy_mark: self.tproxy_mark,
            tproxy_route_table: self.tproxy_route_table,
            inbound_ports: self.inbound_ports.clone(),
            inbound_ports_exclude: self.inbound_ports_exclude.clone(),
            outbound_ports: self.outbound_ports.clone(),
            outbound_ports_exclude: self.outbound_ports_exclude.clone(),
            outbound_ranges: self.outbound_ranges.clone(),
            outbound_ranges_exclude: self.outbound_ranges_exclude.clone(),
            owner_groups: match &self.owner_groups {
                Selection::All => OwnerGroups::AllBut(self.owner_groups_exclude.clone()),
                Selection::These(groups) => OwnerGroups::Only(groups.clone()),
            },
            reroute_interfaces: self.kube_virt_interfaces.clone(),
            exclude_interfaces: self.exclude_interfaces.clone(),
            dns: self.dns(environment)?,
            drop_invalid: either(self.drop_invalid, environment, &["INVALID_DROP"])?,
            ipv6: environment
                .addresses
                .ipv6(self.wants_dual_stack(environment)?),
            loopback: self.loopback,
        })
    }

    /// Whether both address families are wanted.
    pub(crate) fn wants_dual_stack(&self, environment: &Environment) -> Result<bool, Error> {
        either(
            self.dual_stack,
            environment,
            &["ISTIO_DUAL_STACK", "ISTIO_AGENT_DUAL_STACK"],
        )
    }

    fn dns(&self, environment: &Environment) -> Result<Dns, Error> {
        if !either(self.redirect_dns, environment, &["ISTIO_META_DNS_CAPTURE"])? {
            return Ok(Dns::Off);
        }
        if self.capture_all_dns {
            return Ok(Dns::All);
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for server in environment.name_servers()? {
            match server {
                std::net::IpAddr::V4(server) => v4.push(server),
                std::net::IpAddr::V6(server) => v6.push(server),
            }
        }
        if v4.is_empty() && v6.is_empty() {
            tracing::warn!(
                "--redirect-dns: /etc/resolv.conf names no server, so no DNS request is redirected; \
                 --capture-all-dns redirects those to any server"
            );
            return Ok(Dns::Off);
        }
        Ok(Dns::Servers { v4, v6 })
    }
}

/// A flag, or the first of the variables that is set.
fn either(
    flag: Option<bool>,
    environment: &Environment,
    variables: &[&'static str],
) -> Result<bool, Error> {
    if let Some(flag) = flag {
        return Ok(flag);
    }
    for variable in variables.iter().copied() {
        if let Some(text) = environment.variable(variable) {
            return list::boolean(text)
                .map_err(|source: InvalidValue| Error::Variable { variable, source });
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
