//! The HTTP server of health checks, metrics and debug pages.

use std::time::Duration;

use axum::Extension;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::places::{Place, Places};
use crate::prompt::Prompt;

/// The most connections open on one listener.
const CONNECTIONS: usize = 1024;
/// How long a new connection may take to begin its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may be without a whole request, between two of them too: longer than
/// probes and scrapes are apart, so that they find their connection open.
const SILENCE: Duration = Duration::from_secs(90);
/// How long open requests have to end once the shutdown began.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to wait after the system refused to accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// Serves `router` until `shutdown` is cancelled; requests that are open then have some seconds to
/// end. The peer's address is available to handlers as `ConnectInfo<SocketAddr>`. Clients that are
/// slow to ask are given up, and no address can keep the others out.
///
/// # Errors
/// What `accept` met when the listener itself broke.
pub async fn serve(
    listener: TcpListener,
    router: axum::Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let places = Places::new(CONNECTIONS);
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(place) = places.take(peer.ip()) {
                    let router = router.clone().layer(Extension(ConnectInfo(peer)));
                    open.spawn(connection(stream, router, place, shutdown.clone()));
                }
            }
            // It does not listen any more, and never will again.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return Err(error),
            // It concerns one connection, or passes with time.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    router: axum::Router,
    place: Place,
    shutdown: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(SILENCE));
    let stream = TokioIo::new(Prompt::new(stream, FIRST_REQUEST));
    let serving = server.serve_connection(stream, TowerToHyperService::new(router));
    tokio::pin!(serving);
    // However it ends, it concerns this one client.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = place.needed() => return,
        () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(DRAIN, serving).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

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

    /// A server whose `/slow` never answers.
    async fn served(
        shutdown: &CancellationToken,
    ) -> (std::net::SocketAddr, JoinHandle<std::io::Result<()>>) {
        let listener = bind("127.0.0.1:0", "--httpAddr").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer =
            |ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>| async move { peer.to_string() };
        let router = axum::Router::new()
            .route("/peer", get(peer))
            .route("/slow", get(std::future::pending::<()>));
        let serving = tokio::spawn(serve(listener, router, shutdown.clone()));
        (address, serving)
    }

    async fn ask(stream: &mut TcpStream, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn handlers_know_the_peers_address() {
        let (address, _serving) = served(&CancellationToken::new()).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        ask(&mut client, "/peer").await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let own = client.local_addr().unwrap().to_string();
        assert!(
            answer.contains("200 OK") && answer.ends_with(&own),
            "{answer}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_finish_its_request_is_given_up() {
        let (address, _serving) = served(&CancellationToken::new()).await;
        for part in ["", "GET /peer HTTP/1.1\r\nhost: example.org\r\nx-slow: "] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(part.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(2 * SILENCE, client.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "{part:?} keeps the connection");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_does_not_hold_up_the_shutdown() {
        let shutdown = CancellationToken::new();
        let (address, serving) = served(&shutdown).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        ask(&mut client, "/slow").await;
        shutdown.cancel();
        tokio::time::timeout(2 * DRAIN, serving)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn a_port_alone_listens_on_every_ipv4_address() {
        let listener = bind(":0", "--grpcAddr").await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
    }
}
