//! Table `istio-proxy-raw`: a redirected DNS exchange has two halves with the same addresses and ports, application to
//! agent and agent to server. In one connection-tracking zone they would be taken for each other, so each has its own.

use nftables::{HookPoint, HookType, OwnerKind, Protocol, Statement};

use crate::{Dns, Settings};

use super::{
    AGENT_DNS_PORT, DNS_PORT, captures_dns, dns_servers, jump,
    table::{Chain, Table},
};

pub(super) const TABLE: &str = "istio-proxy-raw";

const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const INBOUND: &str = "istio-inbound";
const OUTPUT_DNS: &str = "istio-output-dns";
/// Before connection tracking.
const PRIORITY: i32 = -300;
/// Agent and server.
const UPSTREAM_ZONE: u16 = 1;
/// Application and agent.
const APPLICATION_ZONE: u16 = 2;

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
            Chain::base(OUTPUT, HookType::Filter, HookPoint::Output, PRIORITY),
            Chain::plain(INBOUND),
            Chain::plain(OUTPUT_DNS),
        ],
    );
    if !captures_dns(settings) {
        return table;
    }
    let zone = |zone| [Statement::Counter, Statement::SetCtZone(zone)];
    let request = || Statement::dport(Protocol::Udp, DNS_PORT);
    let answer = || Statement::sport(Protocol::Udp, DNS_PORT);
    table.append(OUTPUT, jump(OUTPUT_DNS));
    for owned in proxy_owners(settings) {
        table.append(
            OUTPUT_DNS,
            [request(), owned.clone()]
                .into_iter()
                .chain(zone(UPSTREAM_ZONE)),
        );
        let agent_answer = Statement::sport(Protocol::Udp, AGENT_DNS_PORT);
        table.append(
            OUTPUT_DNS,
            [agent_answer, owned]
                .into_iter()
                .chain(zone(APPLICATION_ZONE)),
        );
    }
    table.append(PREROUTING, jump(INBOUND));
    if settings.dns == Dns::All {
        table.append(
            OUTPUT_DNS,
            [request()].into_iter().chain(zone(APPLICATION_ZONE)),
        );
        table.append(INBOUND, [answer()].into_iter().chain(zone(UPSTREAM_ZONE)));
    }
    for server in dns_servers(settings) {
        let to_server = [request(), Statement::daddr(server)];
        table.append(
            OUTPUT_DNS,
            to_server.into_iter().chain(zone(APPLICATION_ZONE)),
        );
        let from_server = [answer(), Statement::saddr(server)];
        table.append(INBOUND, from_server.into_iter().chain(zone(UPSTREAM_ZONE)));
    }
    table
}

fn proxy_owners(settings: &Settings) -> impl Iterator<Item = Statement> + '_ {
    let owned = |kind| {
        move |owner: &nftables::Owner| Statement::SocketOwner {
            kind,
            op: nftables::Op::Eq,
            owner: owner.clone(),
            qualified: true,
        }
    };
    let users = settings.proxy_users.iter().map(owned(OwnerKind::User));
    users.chain(settings.proxy_groups.iter().map(owned(OwnerKind::Group)))
}
