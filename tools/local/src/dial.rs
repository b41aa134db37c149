//! How Kubernetes says that a connection cannot be made.

use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
use std::net::SocketAddr;

/// `dial tcp 10.0.0.1:80: connect: connection refused`.
pub(crate) fn failed(to: SocketAddr, error: &std::io::Error) -> String {
    let reason = match error.kind() {
        ConnectionRefused => "connect: connection refused",
        ConnectionReset => "connect: connection reset by peer",
        HostUnreachable => "connect: no route to host",
        NetworkUnreachable => "connect: network is unreachable",
        _ => &error.to_string(),
    };
    format!("dial tcp {to}: {reason}")
}
