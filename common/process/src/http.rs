//! The HTTP server of health checks, metrics and debug pages.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A listening socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (from {flag}): {source}{}", advice(source))]
pub struct BindError {
    address: String,
    flag: &'static str,
    source: std::io::Error,
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            " (another process has this port: `ss -ltnp` names it; stop it or choose another port)"
        }
        std::io::ErrorKind::PermissionDenied => {
            " (ports below 1024 need a privilege: choose another)"
        }
        std::io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
        _ => "",
    }
}

/// Opens a TCP listener on `address` (`host:port`; `:port` means every IPv4 address, as in Go
/// programs). `flag` names the command-line flag that asked for it.
///
/// # Errors
/// [`BindError`] names the address, the flag and what to do.
pub async fn bind(address: &str, flag: &'static str) -> Result<TcpListener, BindError> {
    let host_and_port = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    TcpListener::bind(&host_and_port)
        .await
        .map_err(|source| BindError {
            address: host_and_port,
            flag,
            source,
        })
}

/// Serves `router` until `shutdown` is cancelled and the open requests are answered. The peer's
/// address is available to handlers as `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// What `accept` met when the listener itself broke.
pub async fn serve(
    listener: TcpListener,
    router: axum::Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(
        listener,
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(shutdown.cancelled_owned())
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_reported_with_address_flag_and_fix() {
        let first = bind("127.0.0.1:0", "--httpAddr").await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        let message = bind(&address, "--httpAddr").await.unwrap_err().to_string();
        for part in [address.as_str(), "--httpAddr", "choose another port"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[tokio::test]
    async fn a_port_alone_listens_on_every_ipv4_address() {
        let listener = bind(":0", "--grpcAddr").await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
    }
}
