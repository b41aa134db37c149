//! What the rules need beside them: the routing of TPROXY's marked packets to this host, and the IPv6 address that the
//! proxy's connections to the application come from (127.0.0.6 is there by itself).

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nix::{libc, net::if_::if_nametoindex};
use rtnetlink::{
    Handle, IpVersion, RouteMessageBuilder,
    packet_route::{
        route::{RouteMessage, RouteProtocol, RouteScope, RouteType},
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};

use crate::{Error, Settings};

/// The source address of the proxy's IPv6 connections to the application.
const PASSTHROUGH: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);

/// Make what the settings need, and remove what they do not.
pub(crate) fn replace(settings: &Settings) -> Result<(), Error> {
    let (mark, table) = (settings.tproxy_mark, settings.tproxy_route_table);
    with_routing(async |routing| {
        routing.remove(mark, table).await?;
        if settings.ipv6 {
            routing.add_passthrough_address().await?;
        }
        if settings.uses_tproxy() {
            routing.add_marked(IpVersion::V4, mark, table).await?;
            if settings.ipv6 {
                routing.add_marked(IpVersion::V6, mark, table).await?;
            }
        }
        Ok(())
    })
}

/// Remove all that an earlier run with this mark and table made.
pub(crate) fn remove(mark: u32, table: u32) -> Result<(), Error> {
    with_routing(async |routing| routing.remove(mark, table).await)
}

/// Run with a netlink connection of the calling thread's network namespace.
fn with_routing(work: impl AsyncFnOnce(&Routing) -> Result<(), Error>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("starting a runtime", error))?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()
            .map_err(|error| failed("opening a netlink socket", error))?;
        let connection = tokio::spawn(connection);
        let loopback =
            if_nametoindex("lo").map_err(|errno| failed("finding the interface lo", errno))?;
        let result = work(&Routing { handle, loopback }).await;
        connection.abort();
        result
    })
}

struct Routing {
    handle: Handle,
    /// The index of the loopback interface.
    loopback: u32,
}

impl Routing {
    /// As `ip -6 addr add ::6/128 dev lo` does.
    async fn add_passthrough_address(&self) -> Result<(), Error> {
        let request = self
            .handle
            .address()
            .add(self.loopback, IpAddr::V6(PASSTHROUGH), 128);
        done("adding ::6/128 to lo", request.execute(), &[libc::EEXIST]).await
    }

    /// As `ip rule add fwmark MARK lookup TABLE` and `ip route add local default dev lo table TABLE` do.
    async fn add_marked(&self, version: IpVersion, mark: u32, table: u32) -> Result<(), Error> {
        let rule = self
            .handle
            .rule()
            .add()
            .fw_mark(mark)
            .table_id(table)
            .action(RuleAction::ToTable);
        let action = format!("adding the routing rule of mark {mark}");
        match version {
            IpVersion::V4 => done(&action, rule.v4().execute(), &[libc::EEXIST]).await?,
            IpVersion::V6 => done(&action, rule.v6().execute(), &[libc::EEXIST]).await?,
        }
        let action = format!("adding the local route of table {table}");
        let route = self.handle.route().add(self.local_default(version, table));
        done(&action, route.execute(), &[libc::EEXIST]).await
    }

    async fn remove(&self, mark: u32, table: u32) -> Result<(), Error> {
        // What is not there, and a kernel without IPv6 or policy routing, have nothing to remove.
        const ABSENT: [i32; 6] = [
            libc::ENOENT,
            libc::ESRCH,
            libc::EADDRNOTAVAIL,
            libc::EAFNOSUPPORT,
            libc::EOPNOTSUPP,
            libc::ENODEV,
        ];
        for version in [IpVersion::V4, IpVersion::V6] {
            let rule = self.handle.rule().del(marked_rule(&version, mark, table));
            done(
                &format!("removing the routing rule of mark {mark}"),
                rule.execute(),
                &ABSENT,
            )
            .await?;
            let route = self.handle.route().del(self.local_default(version, table));
            done(
                &format!("removing the local route of table {table}"),
                route.execute(),
                &ABSENT,
            )
            .await?;
        }
        let address = rtnetlink::AddressMessageBuilder::<Ipv6Addr>::new()
            .index(self.loopback)
            .address(PASSTHROUGH, 128)
            .build();
        done(
            "removing ::6/128 from lo",
            self.handle.address().del(address).execute(),
            &ABSENT,
        )
        .await
    }

    fn local_default(&self, version: IpVersion, table: u32) -> RouteMessage {
        match version {
            IpVersion::V4 => RouteMessageBuilder::<Ipv4Addr>::new()
                .output_interface(self.loopback)
                .table_id(table)
                .protocol(RouteProtocol::Boot)
                .scope(RouteScope::Host)
                .kind(RouteType::Local)
                .build(),
            IpVersion::V6 => RouteMessageBuilder::<Ipv6Addr>::new()
                .output_interface(self.loopback)
                .table_id(table)
                .protocol(RouteProtocol::Boot)
                .kind(RouteType::Local)
                .build(),
        }
    }
}

fn marked_rule(version: &IpVersion, mark: u32, table: u32) -> RuleMessage {
    let mut rule = RuleMessage::default();
    rule.header.family = match version {
        IpVersion::V4 => rtnetlink::packet_route::AddressFamily::Inet,
        IpVersion::V6 => rtnetlink::packet_route::AddressFamily::Inet6,
    };
    rule.header.action = RuleAction::ToTable;
    rule.attributes = vec![RuleAttribute::FwMark(mark), RuleAttribute::Table(table)];
    rule
}

fn failed(action: &str, why: impl std::fmt::Display) -> Error {
    Error::Route {
        action: action.to_owned(),
        why: why.to_string(),
    }
}

/// Await a change; the errors given mean that it was not needed.
async fn done(
    action: &str,
    request: impl Future<Output = Result<(), rtnetlink::Error>>,
    not_needed: &[i32],
) -> Result<(), Error> {
    match request.await {
        Ok(()) => Ok(()),
        Err(rtnetlink::Error::NetlinkError(error))
            if not_needed.iter().any(|errno| error.raw_code() == -errno) =>
        {
            Ok(())
        }
        Err(error) => Err(failed(action, error)),
    }
}
