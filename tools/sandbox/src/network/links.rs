//! Links, addresses, routes and neighbours, by netlink sockets of the calling thread's namespace.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::NetworkConfig;
use crate::Error;

/// The next hop of every pod: an address that no pod can be, on no interface. The pod knows its
/// link-layer address for good, so nobody has to answer for it.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The node's end of every link; each is a link of its own, so one address serves all.
const NODE_MAC: [u8; 6] = [0xee; 6];
const POD_INTERFACE: &str = "eth0";
/// RT_TABLE_LOCAL of rtnetlink(7).
const LOCAL_TABLE: u32 = 255;

type Netlink<T> = Result<T, rtnetlink::Error>;

/// Gives the node its address and makes it the owner of every service address. What is not
/// rewritten to a backend is then answered by the node, where nobody listens: refused at once.
pub(super) fn set_up_node(config: &NetworkConfig) -> Result<(), Error> {
    let lo = index_of("lo")?;
    with_handle("set up the node", async move |handle| {
        handle
            .link()
            .set(LinkUnspec::new_with_index(lo).up().build())
            .execute()
            .await?;
        handle
            .address()
            .add(lo, IpAddr::V4(config.node_ip), 32)
            .execute()
            .await?;
        let services = config.service_cidr;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(services.network(), services.prefix_len())
            .output_interface(lo)
            .table_id(LOCAL_TABLE)
            .kind(RouteType::Local)
            .scope(RouteScope::Host)
            .pref_source(config.node_ip)
            .build();
        handle.route().add(route).execute().await
    })
}

/// The veth between the node and one pod.
#[derive(Debug)]
pub(super) struct PodLink {
    node_name: String,
    ip: Ipv4Addr,
    pod_mac: [u8; 6],
}

impl PodLink {
    pub(super) fn new(number: u32, ip: Ipv4Addr) -> Self {
        let [a, b, c, d] = ip.octets();
        Self {
            node_name: format!("pod{number}"),
            ip,
            // Locally administered, one for each address.
            pod_mac: [0x0a, 0x58, a, b, c, d],
        }
    }

    /// In the node's namespace: makes the pair with its other end in the pod's, and the route.
    pub(super) fn make(&self, config: &NetworkConfig, pod: &OwnedFd) -> Result<(), Error> {
        let action = format!("link the pod {}", self.ip);
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(POD_INTERFACE.into())
            .address(self.pod_mac.to_vec())
            .setns_by_fd(pod.as_raw_fd())
            .build();
        let pair = LinkVeth::new(&self.node_name, POD_INTERFACE)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .address(NODE_MAC.to_vec())
            .up()
            .build();
        with_handle(&action, async move |handle| {
            handle.link().add(pair).execute().await
        })?;
        let index = index_of(&self.node_name)?;
        let routed = with_handle(&action, async move |handle| {
            neighbour(&handle, index, self.ip, self.pod_mac).await?;
            let route = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(self.ip, 32)
                .output_interface(index)
                .scope(RouteScope::Link)
                .pref_source(config.node_ip)
                .build();
            handle.route().add(route).execute().await
        });
        if routed.is_err() {
            // The first error is the one to report.
            let _ = self.remove();
        }
        routed
    }

    /// In the pod's namespace: address, and everything else by way of the node.
    pub(super) fn set_up_pod(&self) -> Result<(), Error> {
        let (lo, eth0) = (index_of("lo")?, index_of(POD_INTERFACE)?);
        with_handle(
            &format!("set up the pod {}", self.ip),
            async move |handle| {
                for index in [lo, eth0] {
                    handle
                        .link()
                        .set(LinkUnspec::new_with_index(index).up().build())
                        .execute()
                        .await?;
                }
                handle
                    .address()
                    .add(eth0, IpAddr::V4(self.ip), 32)
                    .execute()
                    .await?;
                neighbour(&handle, eth0, GATEWAY, NODE_MAC).await?;
                let to_gateway = RouteMessageBuilder::<Ipv4Addr>::new()
                    .destination_prefix(GATEWAY, 32)
                    .output_interface(eth0)
                    .scope(RouteScope::Link)
                    .build();
                handle.route().add(to_gateway).execute().await?;
                let default = RouteMessageBuilder::<Ipv4Addr>::new()
                    .gateway(GATEWAY)
                    .output_interface(eth0)
                    .build();
                handle.route().add(default).execute().await
            },
        )
    }

    /// In the node's namespace: removes both ends and the route.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let index = index_of(&self.node_name)?;
        with_handle(
            &format!("remove the link of the pod {}", self.ip),
            async move |handle| handle.link().del(index).execute().await,
        )
    }
}

async fn neighbour(handle: &Handle, link: u32, ip: Ipv4Addr, mac: [u8; 6]) -> Netlink<()> {
    handle
        .neighbours()
        .add(link, IpAddr::V4(ip))
        .link_local_address(&mac)
        .execute()
        .await
}

fn index_of(name: &str) -> Result<u32, Error> {
    if_nametoindex(name).map_err(Error::network(format!("find the interface {name}")))
}

/// Runs requests on a netlink socket; the socket belongs to the namespace of this thread.
fn with_handle<T>(action: &str, work: impl AsyncFnOnce(Handle) -> Netlink<T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(Error::network(action))?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(Error::network(action))?;
        tokio::spawn(connection);
        work(handle).await.map_err(Error::network(action))
    })
}
