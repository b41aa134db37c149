//! Connections as a gRPC server takes them, each with who is at the other end.
//!
//! tonic's own TLS cannot change its certificate while it listens, so handshakes are done here and the finished
//! connections are given to `tonic::transport::Server::serve_with_incoming`. A service finds the [`Peer`] in its
//! request's extensions.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use process::logging::Sparingly;
use process::places::{Place, Places};
use process::prompt::Prompt;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::SpiffeId;
use crate::cert::{Validity, leaf_identity};
use crate::tls::ServerTls;

/// The longest time from accepting a connection to its finished handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// The longest time from there to the preface of HTTP/2.
const PREFACE_TIME: Duration = Duration::from_secs(10);
/// The most handshakes under way on one listener. Whoever holds most of the places gives way to other addresses.
const PENDING_HANDSHAKES: usize = 1024;
/// The most connections open on one listener, those in a handshake included; shared as those are. So many idle
/// connections take about a gigabyte.
const OPEN_CONNECTIONS: usize = 65_536;
/// Handshakes that fail are told of once a second: anybody can make them fail.
static FAILED: Sparingly = Sparingly::new();
const TOO_MANY: &str = "this address has too many connections while others need places";
/// How long to wait after the system refused to accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it connects from.
    pub addr: SocketAddr,
    /// What it presented and the handshake verified; none on plain TCP and from clients without a certificate.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// A verified client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The workload that it names, if it names one.
    pub id: Option<SpiffeId>,
    /// When it is good: a connection can outlive its certificate.
    pub validity: Validity,
    /// Leaf first, as presented.
    pub chain: Vec<CertificateDer<'static>>,
}

impl PeerCertificate {
    /// Reads what a verified chain says; none for a chain whose leaf cannot be read.
    pub fn from_chain(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let validity = Validity::of(chain.first()?).ok()?;
        Some(Self {
            id: leaf_identity(&chain),
            validity,
            chain,
        })
    }

    /// Whether it is good at `now`.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.validity.contains(now)
    }
}

/// A connection with its [`Peer`].
#[derive(Debug)]
pub struct Connection<S> {
    stream: Prompt<S>,
    peer: Peer,
    open: Open,
}

/// A connection's place among those that are open.
struct Open {
    _place: Place,
    needed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl From<Place> for Open {
    fn from(place: Place) -> Self {
        Self {
            needed: Box::pin(place.needed()),
            _place: place,
        }
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

/// A connection after its TLS handshake.
pub type TlsConnection = Connection<TlsStream<TcpStream>>;
/// A connection without TLS.
pub type PlainConnection = Connection<TcpStream>;

/// Accepts TLS connections. Handshakes run concurrently, at most 1024 at a time and 10 s each; those that fail are
/// logged and never reach the stream. The listener closes when the stream is dropped.
pub fn accept(
    listener: TcpListener,
    tls: Arc<ServerTls>,
) -> ReceiverStream<io::Result<TlsConnection>> {
    let (ready, connections) = mpsc::channel(16);
    tokio::spawn(async move {
        let pending = Places::new(PENDING_HANDSHAKES);
        let open = Places::new(OPEN_CONNECTIONS);
        while let Some((stream, addr)) = next(&listener, &ready).await {
            match (pending.take(addr.ip()), open.take(addr.ip())) {
                (Some(place), Some(open)) => {
                    let shaking = shake(stream, addr, tls.clone(), place, open, ready.clone());
                    tokio::spawn(shaking);
                }
                _ => failed(addr, &TOO_MANY),
            }
        }
    });
    ReceiverStream::new(connections)
}

async fn shake(
    stream: TcpStream,
    addr: SocketAddr,
    tls: Arc<ServerTls>,
    place: Place,
    open: Place,
    ready: mpsc::Sender<io::Result<TlsConnection>>,
) {
    let finished = tokio::select! {
        finished = handshake(stream, addr, &tls, open) => finished,
        () = place.needed() => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "not finished when others needed the place",
        )),
    };
    match finished {
        // An error means that the server has stopped: the connection closes with it.
        Ok(connection) => drop(ready.send(Ok(connection)).await),
        Err(error) => failed(addr, &error),
    }
}

fn failed(addr: SocketAddr, error: &dyn std::fmt::Display) {
    if let Some(unsaid) = FAILED.due() {
        tracing::info!(peer = %addr, %error, unsaid, "refused a connection");
    }
}

/// Accepts connections without TLS; their [`Peer`] has no certificate. The listener closes when the stream is dropped.
pub fn accept_plain(listener: TcpListener) -> ReceiverStream<io::Result<PlainConnection>> {
    let (ready, connections) = mpsc::channel(16);
    tokio::spawn(async move {
        let open = Places::new(OPEN_CONNECTIONS);
        while let Some((stream, addr)) = next(&listener, &ready).await {
            let Some(open) = open.take(addr.ip()) else {
                failed(addr, &TOO_MANY);
                continue;
            };
            let connection = Connection {
                stream: Prompt::new(stream, PREFACE_TIME),
                peer: Peer {
                    addr,
                    certificate: None,
                },
                open: open.into(),
            };
            if ready.send(Ok(connection)).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(connections)
}

/// The next connection, or none when nobody takes them any more. A failure to accept concerns one connection or passes
/// with time, so it never ends the listener.
async fn next<T>(
    listener: &TcpListener,
    ready: &mpsc::Sender<T>,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return None,
        };
        match accepted {
            Ok((stream, addr)) => {
                // Without it a small gRPC message can wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                return Some((stream, addr));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn handshake(
    stream: TcpStream,
    addr: SocketAddr,
    tls: &ServerTls,
    open: Place,
) -> io::Result<TlsConnection> {
    let acceptor = TlsAcceptor::from(tls.config());
    let stream = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "not finished within 10 s"))??;
    let chain = stream.get_ref().1.peer_certificates();
    let chain = chain.map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect());
    let certificate = chain.and_then(PeerCertificate::from_chain).map(Arc::new);
    Ok(Connection {
        stream: Prompt::new(stream, PREFACE_TIME),
        peer: Peer { addr, certificate },
        open: open.into(),
    })
}

impl<S> Connected for Connection<S> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.open.needed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "another address needs the place",
            )));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
