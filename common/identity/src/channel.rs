//! A gRPC channel over TLS whose settings change while it is in use.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::tls::ClientTls;

/// The longest time for resolving, connecting and the TLS handshake together.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How often an idle connection is probed, so that one whose other end vanished is noticed.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// How long a probe may stay unanswered before the connection is given up.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// Why a target cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{target:?} is not a target to connect to: it must read host:port, for example istiod.istio-system.svc:15012"
)]
pub struct TargetError {
    /// What was given.
    pub target: String,
}

/// A channel to `target` (`host:port`, an IPv6 address in brackets). It connects on first use and again after a loss;
/// each time the name is resolved anew and the newest TLS settings are used.
///
/// # Errors
/// `target` is not of that form.
pub fn connect(target: &str, tls: Arc<ClientTls>) -> Result<Channel, TargetError> {
    let bad = || TargetError {
        target: target.to_owned(),
    };
    let uri: Uri = format!("https://{target}").parse().map_err(|_| bad())?;
    // Nothing but host and port, for example no path and no user name.
    let authority = uri
        .authority()
        .filter(|a| a.as_str() == target && !target.contains('@'));
    let host = authority.map(|a| a.host().trim_matches(['[', ']']).to_owned());
    let host = host.filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let port = uri.port_u16().ok_or_else(bad)?;
    // The scheme of the endpoint only tells tonic that it need not do TLS itself; requests carry the origin's.
    let endpoint = Endpoint::from_shared(format!("http://{target}"))
        .map_err(|_| bad())?
        .origin(uri)
        .connect_timeout(CONNECT_TIME)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE_INTERVAL)
        .keep_alive_timeout(PROBE_TIME)
        .keep_alive_while_idle(true);
    Ok(
        endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let (host, tls) = (host.clone(), tls.clone());
            async move { dial(&host, port, &tls).await.map(TokioIo::new) }
        })),
    )
}

async fn dial(host: &str, port: u16, tls: &ClientTls) -> io::Result<TlsStream<TcpStream>> {
    let name = tls
        .server_name(host)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("cannot connect to {host}:{port}: {e}")))?;
    stream.set_nodelay(true)?;
    TlsConnector::from(tls.config())
        .connect(name, stream)
        .await
        .map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("TLS handshake with {host}:{port} failed: {e}"),
            )
        })
}
