//! Whether the redirect works, tried with a connection: what is sent to a port of this pod where nobody listens has to
//! arrive at the inbound port with its original destination. Run as the proxy's user, as which connections to the pod
//! itself pass the inbound side.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use socket2::{Domain, SockRef, Socket, Type};

use crate::{Error, Settings, environment::Addresses};

/// Connect to the probe port and see where it arrives.
///
/// # Errors
/// [`Error::Validation`] when it does not arrive as the rules should make it.
pub(crate) fn run(
    settings: &Settings,
    addresses: &Addresses,
    probe_port: u16,
    timeout: Duration,
) -> Result<(), Error> {
    let failed = |what: String| Error::Validation(what);
    let Some(target) = addresses.first(probe_port) else {
        return Err(failed("this pod has no address".to_owned()));
    };
    let port = settings.inbound_capture_port;
    let listener = listen(target.is_ipv6(), port, settings.uses_tproxy(), timeout)
        .map_err(|error| failed(format!("listening on port {port}: {error}")))?;
    let client = TcpStream::connect_timeout(&target, timeout).map_err(|error| {
        failed(format!(
            "connecting to {target}, which should be redirected to port {port}: {error}"
        ))
    })?;
    let client = client
        .local_addr()
        .map_err(|error| failed(error.to_string()))?;
    let arrived = arrival(&listener, client, settings.uses_tproxy(), timeout).map_err(|error| {
        failed(format!(
            "the connection to {target} did not arrive on port {port}: {error}"
        ))
    })?;
    if arrived == target {
        Ok(())
    } else {
        Err(failed(format!(
            "the connection to {target} arrived with the original destination {arrived}"
        )))
    }
}

fn listen(ipv6: bool, port: u16, transparent: bool, timeout: Duration) -> io::Result<Socket> {
    let (domain, any): (_, SocketAddr) = if ipv6 {
        (Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into())
    } else {
        (Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into())
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if transparent && !ipv6 {
        socket.set_ip_transparent_v4(true)?;
    }
    // A time limit on reading also bounds accept().
    socket.set_read_timeout(Some(timeout))?;
    socket.bind(&any.into())?;
    socket.listen(16)?;
    Ok(socket)
}

/// Where the client's connection was meant to go; those of others are passed over.
fn arrival(
    listener: &Socket,
    client: SocketAddr,
    transparent: bool,
    timeout: Duration,
) -> io::Result<SocketAddr> {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        let (connection, peer) = listener.accept()?;
        if peer.as_socket() != Some(client) {
            continue;
        }
        let connection = SockRef::from(&connection);
        let destination = match (transparent, client.is_ipv6()) {
            // A transparent socket keeps the destination as its own address.
            (true, _) => connection.local_addr()?,
            (false, true) => connection.original_dst_v6()?,
            (false, false) => connection.original_dst_v4()?,
        };
        return destination
            .as_socket()
            .ok_or_else(|| io::ErrorKind::InvalidData.into());
    }
    Err(io::ErrorKind::TimedOut.into())
}
