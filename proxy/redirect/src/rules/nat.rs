//! Table `istio-proxy-nat`: connections to the proxy by rewriting their destination.

use nftables::{HookPoint, HookType, InterfaceName, Op, Ports, Protocol, Statement};

use crate::{Dns, InboundMode, OwnerGroups, Selection, Settings};

use super::{
    AGENT_DNS_PORT, DNS_PORT, captures_dns, dns_servers, group, is_covered, jump, loopbacks, pass,
    passthrough_sources,
    table::{Chain, Table, from_interface, to_interface},
    tcp, user,
};

pub(super) const TABLE: &str = "istio-proxy-nat";

const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const INBOUND: &str = "istio-inbound";
const REDIRECT: &str = "istio-redirect";
const IN_REDIRECT: &str = "istio-in-redirect";
const ISTIO_OUTPUT: &str = "istio-output";
const OUTPUT_DNS: &str = "istio-output-dns";
/// Where destinations are rewritten.
const PRIORITY: i32 = -100;

pub(super) fn rules(settings: &Settings) -> Table {
    let mut table = Table::new(
        TABLE,
        vec![
            Chain::base(PREROUTING, HookType::Nat, HookPoint::Prerouting, PRIORITY),
            Chain::base(OUTPUT, HookType::Nat, HookPoint::Output, PRIORITY),
            Chain::plain(INBOUND),
            Chain::plain(REDIRECT),
            Chain::plain(IN_REDIRECT),
            Chain::plain(ISTIO_OUTPUT),
            Chain::plain(OUTPUT_DNS),
        ],
    );
    leave_interfaces_alone(&mut table, settings);
    let tunnel = Statement::dport(Protocol::Tcp, settings.inbound_tunnel_port);
    table.append(INBOUND, [tcp(), tunnel].into_iter().chain(pass()));
    let redirect = |port| [tcp(), Statement::Counter, Statement::Redirect(port)];
    table.append(REDIRECT, redirect(settings.proxy_port));
    table.append(IN_REDIRECT, redirect(settings.inbound_capture_port));
    if settings.inbound_mode == InboundMode::Redirect {
        capture_inbound(&mut table, settings);
    }
    capture_outbound(&mut table, settings);
    table
}

fn leave_interfaces_alone(table: &mut Table, settings: &Settings) {
    for interface in &settings.exclude_interfaces {
        table.append(
            PREROUTING,
            [from_interface(interface)].into_iter().chain(pass()),
        );
        table.append(OUTPUT, [to_interface(interface)].into_iter().chain(pass()));
    }
    for interface in &settings.reroute_interfaces {
        table.insert(
            PREROUTING,
            0,
            [from_interface(interface)].into_iter().chain(pass()),
        );
    }
}

fn capture_inbound(table: &mut Table, settings: &Settings) {
    if settings.inbound_ports.is_none() {
        return;
    }
    let port = |port: u16| [tcp(), Statement::dport(Protocol::Tcp, port)].into_iter();
    table.append(PREROUTING, [tcp()].into_iter().chain(jump(INBOUND)));
    match &settings.inbound_ports {
        Selection::All => {
            for excluded in &settings.inbound_ports_exclude {
                table.append(INBOUND, port(*excluded).chain(pass()));
            }
            table.append(INBOUND, [tcp()].into_iter().chain(jump(IN_REDIRECT)));
        }
        Selection::These(ports) => {
            for included in ports {
                table.append(INBOUND, port(*included).chain(jump(IN_REDIRECT)));
            }
        }
    }
}

fn capture_outbound(table: &mut Table, settings: &Settings) {
    table.append(OUTPUT, jump(ISTIO_OUTPUT));
    for port in &settings.outbound_ports_exclude {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            table.append(
                ISTIO_OUTPUT,
                [Statement::dport(protocol, *port)]
                    .into_iter()
                    .chain(pass()),
            );
        }
    }
    for source in passthrough_sources(settings) {
        table.append(
            ISTIO_OUTPUT,
            [to_loopback(), Statement::saddr(source)]
                .into_iter()
                .chain(pass()),
        );
    }
    treat_the_proxy(table, settings);
    select_groups(table, &settings.owner_groups);
    capture_dns(table, settings);
    for loopback in loopbacks(settings) {
        table.append(
            ISTIO_OUTPUT,
            [Statement::daddr(loopback)].into_iter().chain(pass()),
        );
    }
    for range in settings
        .outbound_ranges_exclude
        .iter()
        .filter(|range| is_covered(settings, range))
    {
        table.append(
            ISTIO_OUTPUT,
            [Statement::daddr(*range)].into_iter().chain(pass()),
        );
    }
    for port in &settings.outbound_ports {
        table.append(
            ISTIO_OUTPUT,
            [Statement::dport(Protocol::Tcp, *port)]
                .into_iter()
                .chain(jump(REDIRECT)),
        );
    }
    capture_ranges(table, settings);
}

fn to_loopback() -> Statement {
    Statement::Oifname(Op::Eq, InterfaceName::loopback())
}

/// The proxy's own connections: those to this pod by its address are inbound ones of the application (it called
/// itself through a service), all others go out as they are. What others send over the loopback interface stays.
fn treat_the_proxy(table: &mut Table, settings: &Settings) {
    let dns = captures_dns(settings);
    let tunnel = Ports::One(settings.inbound_tunnel_port);
    // A proxy user's DNS over TCP is the agent's own; it must not come back as an inbound connection.
    let user_tunnel = if dns {
        Ports::Set(vec![DNS_PORT, settings.inbound_tunnel_port])
    } else {
        tunnel.clone()
    };
    for owner in &settings.proxy_users {
        let owned = |op| user(op, owner);
        treat_owner(table, settings, &owned, &user_tunnel, dns);
    }
    for owner in &settings.proxy_groups {
        let owned = |op| group(op, owner);
        treat_owner(table, settings, &owned, &tunnel, dns);
    }
}

fn treat_owner(
    table: &mut Table,
    settings: &Settings,
    owned: &dyn Fn(Op) -> Statement,
    not_inbound: &Ports,
    dns: bool,
) {
    for loopback in loopbacks(settings) {
        let to_itself = [
            to_loopback(),
            tcp(),
            Statement::Daddr(Op::Ne, loopback),
            Statement::Dport(Op::Ne, Protocol::Tcp, not_inbound.clone()),
            owned(Op::Eq),
        ];
        table.append(ISTIO_OUTPUT, to_itself.into_iter().chain(jump(IN_REDIRECT)));
    }
    if !settings.redirects_loopback() {
        let mut others = vec![to_loopback()];
        if dns {
            // A name server on the loopback interface is asked over TCP too, which is to reach the agent.
            others.extend([
                tcp(),
                Statement::Dport(Op::Ne, Protocol::Tcp, DNS_PORT.into()),
            ]);
        }
        others.push(owned(Op::Ne));
        table.append(ISTIO_OUTPUT, others.into_iter().chain(pass()));
    }
    table.append(ISTIO_OUTPUT, [owned(Op::Eq)].into_iter().chain(pass()));
}

fn select_groups(table: &mut Table, groups: &OwnerGroups) {
    match groups {
        OwnerGroups::AllBut(excluded) => {
            for owner in excluded {
                table.append(
                    ISTIO_OUTPUT,
                    [group(Op::Eq, owner)].into_iter().chain(pass()),
                );
            }
        }
        OwnerGroups::Only(included) => {
            table.append(
                ISTIO_OUTPUT,
                included
                    .iter()
                    .map(|owner| group(Op::Ne, owner))
                    .chain(pass()),
            );
        }
    }
}

fn capture_dns(table: &mut Table, settings: &Settings) {
    if !captures_dns(settings) {
        return;
    }
    table.append(ISTIO_OUTPUT, jump(OUTPUT_DNS));
    let to_agent = || [Statement::Counter, Statement::Redirect(AGENT_DNS_PORT)];
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let request = || Statement::dport(protocol, DNS_PORT);
        if settings.dns == Dns::All {
            let named = (protocol == Protocol::Tcp).then(tcp);
            table.append(
                OUTPUT_DNS,
                named.into_iter().chain([request()]).chain(to_agent()),
            );
        }
        for server in dns_servers(settings) {
            table.append(
                OUTPUT_DNS,
                [Statement::daddr(server), request()]
                    .into_iter()
                    .chain(to_agent()),
            );
        }
    }
}

fn capture_ranges(table: &mut Table, settings: &Settings) {
    match &settings.outbound_ranges {
        Selection::All => {
            table.append(ISTIO_OUTPUT, jump(REDIRECT));
            for interface in &settings.reroute_interfaces {
                table.insert(
                    PREROUTING,
                    0,
                    [from_interface(interface)]
                        .into_iter()
                        .chain(jump(REDIRECT)),
                );
            }
        }
        Selection::These(ranges) => {
            let (v4, v6): (Vec<_>, Vec<_>) = ranges
                .iter()
                .copied()
                .partition(|range| matches!(range, ipnet::IpNet::V4(_)));
            for range in v4
                .into_iter()
                .chain(v6)
                .filter(|range| is_covered(settings, range))
            {
                for interface in &settings.reroute_interfaces {
                    let rerouted = [from_interface(interface), Statement::daddr(range)];
                    table.insert(PREROUTING, 0, rerouted.into_iter().chain(jump(REDIRECT)));
                }
                table.append(
                    ISTIO_OUTPUT,
                    [Statement::daddr(range)].into_iter().chain(jump(REDIRECT)),
                );
            }
        }
    }
}
