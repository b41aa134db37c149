//! Table `istio-proxy-mangle`: inbound connections to the proxy by TPROXY, and invalid packets.

use ipnet::IpNet;
use nftables::{
    ConnectionStates, HookPoint, HookType, InterfaceName, MarkSource, Op, Protocol, Statement,
    TproxyFamily, Verdict,
};

use crate::{InboundMode, Selection, Settings};

use super::{
    group, jump, loopbacks, pass, passthrough_sources,
    table::{Chain, Table, from_interface, to_interface},
    tcp, user,
};

pub(super) const TABLE: &str = "istio-proxy-mangle";

const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const DIVERT: &str = "istio-divert";
const TPROXY: &str = "istio-tproxy";
const INBOUND: &str = "istio-inbound";
const DROP: &str = "istio-drop";
/// Where packets are marked.
const PRIORITY: i32 = -150;
/// The mark of what the proxy sends to this pod by its address: it passes the inbound side of the proxy.
const OUTBOUND_MARK: u32 = 1338;

pub(super) fn rules(settings: &Settings) -> Table {
    let mut table = Table::new(
        TABLE,
        vec![
            Chain::base(
                PREROUTING,
                HookType::Filter,
                HookPoint::Prerouting,
                PRIORITY,
            ),
            // A changed mark must route the packet again.
            Chain::base(OUTPUT, HookType::Route, HookPoint::Output, PRIORITY),
            Chain::plain(DIVERT),
            Chain::plain(TPROXY),
            Chain::plain(INBOUND),
            Chain::plain(DROP),
        ],
    );
    let tproxy = settings.inbound_mode == InboundMode::Tproxy;
    if tproxy {
        for interface in &settings.exclude_interfaces {
            table.append(
                PREROUTING,
                [from_interface(interface)].into_iter().chain(pass()),
            );
            table.append(OUTPUT, [to_interface(interface)].into_iter().chain(pass()));
        }
    }
    if settings.drop_invalid {
        drop_invalid(&mut table);
    }
    if tproxy {
        capture_inbound(&mut table, settings);
        keep_marks(&mut table, settings);
    }
    table
}

fn drop_invalid(table: &mut Table) {
    let invalid = ConnectionStates {
        invalid: true,
        ..ConnectionStates::default()
    };
    table.append(
        PREROUTING,
        [tcp(), Statement::CtState(invalid)]
            .into_iter()
            .chain(jump(DROP)),
    );
    table.append(
        DROP,
        [Statement::Counter, Statement::Verdict(Verdict::Drop)],
    );
}

fn capture_inbound(table: &mut Table, settings: &Settings) {
    if settings.inbound_ports.is_none() {
        return;
    }
    let mark = || Statement::SetMark(MarkSource::Value(settings.tproxy_mark));
    let accept = || [Statement::Counter, Statement::Verdict(Verdict::Accept)];
    table.append(DIVERT, [Statement::Counter, mark()]);
    table.append(DIVERT, accept());
    for loopback in loopbacks(settings) {
        let family = match loopback {
            IpNet::V4(_) => TproxyFamily::Ip,
            IpNet::V6(_) => TproxyFamily::Ip6,
        };
        let hand_over = [
            tcp(),
            Statement::Daddr(Op::Ne, loopback),
            Statement::Tproxy(family, settings.inbound_capture_port),
            mark(),
        ];
        table.append(TPROXY, hand_over.into_iter().chain(accept()));
    }
    table.append(PREROUTING, [tcp()].into_iter().chain(jump(INBOUND)));
    match &settings.inbound_ports {
        Selection::All => {
            for excluded in &settings.inbound_ports_exclude {
                let port = [tcp(), Statement::dport(Protocol::Tcp, *excluded)];
                table.append(INBOUND, port.into_iter().chain(pass()));
            }
            hand_over(table, None);
        }
        Selection::These(ports) => ports.iter().for_each(|port| hand_over(table, Some(*port))),
    }
}

/// Packets of known connections go to their socket, those of new ones to the proxy's.
fn hand_over(table: &mut Table, port: Option<u16>) {
    let port = || port.map(|port| Statement::dport(Protocol::Tcp, port));
    let known = ConnectionStates {
        related: true,
        established: true,
        ..ConnectionStates::default()
    };
    table.append(
        INBOUND,
        [tcp(), Statement::CtState(known)]
            .into_iter()
            .chain(port())
            .chain(jump(DIVERT)),
    );
    table.append(
        INBOUND,
        [tcp()].into_iter().chain(port()).chain(jump(TPROXY)),
    );
}

/// What the proxy sends on to the application is marked, and answers to it find the way back by the connection's mark.
fn keep_marks(table: &mut Table, settings: &Settings) {
    let loopback = InterfaceName::loopback;
    let to_loopback = || Statement::Oifname(Op::Eq, loopback());
    let from_loopback = || Statement::Iifname(Op::Eq, loopback());
    let marked = || Statement::Mark(Op::Eq, settings.tproxy_mark);
    let remember = [
        tcp(),
        marked(),
        Statement::Counter,
        Statement::SetCtMark(MarkSource::Packet),
    ];
    table.append(PREROUTING, remember);
    table.append(
        OUTPUT,
        [to_loopback(), tcp(), marked()].into_iter().chain(pass()),
    );
    let users = settings.proxy_users.iter().map(|owner| user(Op::Eq, owner));
    let groups = settings
        .proxy_groups
        .iter()
        .map(|owner| group(Op::Eq, owner));
    for owned in users.chain(groups) {
        for loopback in loopbacks(settings) {
            let to_itself = [
                to_loopback(),
                tcp(),
                Statement::Daddr(Op::Ne, loopback),
                owned.clone(),
                Statement::Counter,
                Statement::SetMark(MarkSource::Value(OUTBOUND_MARK)),
            ];
            table.append(OUTPUT, to_itself);
        }
    }
    let answers = [
        tcp(),
        Statement::CtMark(Op::Eq, settings.tproxy_mark),
        Statement::Counter,
        Statement::SetMark(MarkSource::Connection),
    ];
    table.append(OUTPUT, answers);
    table.insert(INBOUND, 0, [tcp(), marked()].into_iter().chain(pass()));
    for source in passthrough_sources(settings) {
        let from_proxy = [from_loopback(), tcp(), Statement::saddr(source)];
        table.insert(INBOUND, 1, from_proxy.into_iter().chain(pass()));
    }
    let from_application = [
        from_loopback(),
        tcp(),
        Statement::Mark(Op::Ne, OUTBOUND_MARK),
    ];
    table.insert(INBOUND, 2, from_application.into_iter().chain(pass()));
}
