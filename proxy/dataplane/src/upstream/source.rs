//! Connections to endpoints from the client's own address (listener filter `original_src`).

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{SockAddr, Socket};

/// Whose address connections are made from, and the mark by which the kernel's rules know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) address: IpAddr,
    pub(crate) mark: u32,
}

impl Source {
    /// Binds a socket that will be connected to `endpoint`; where that is of the other family, its address is this host's
    /// own. It takes CAP_NET_ADMIN.
    pub(crate) fn bind(self, socket: &Socket, endpoint: SocketAddr) -> io::Result<()> {
        if self.mark != 0 {
            socket.set_mark(self.mark)?;
        }
        if self.address.is_ipv4() != endpoint.is_ipv4() {
            return Ok(());
        }
        match self.address {
            IpAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            IpAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
        }
        socket.bind(&SockAddr::from(SocketAddr::new(self.address, 0)))
    }
}
