//! A connection and what it is at the moment.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use graph::chain::{FilterChain, TcpProxy};
use graph::cluster::ClusterId;
use graph::listener::Listener;
use graph::manager::HttpManager;

use stats::{HttpStat, Metrics};

use crate::codec::Codec;
use crate::peer::Certificate;
use crate::stream::{Queue, StreamKey};
use crate::telemetry::{Announced, Labels};
use crate::upstream::host::HostState;
use crate::upstream::source::Source;
use crate::wire::Wire;

/// One socket of a worker.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) wire: Wire,
    pub(crate) role: Role,
    /// Unique in the process: timers and logs name a connection by it.
    pub(crate) number: u64,
    /// Stands in the worker's list of connections with something to write.
    pub(crate) dirty: bool,
    /// Stands in the worker's list of connections to read again without a new edge.
    pub(crate) again: bool,
    /// It had enough requests for one turn; others are in `left`.
    pub(crate) busy: bool,
    /// Reading rests until what was read has gone on.
    pub(crate) paused: bool,
    /// Plaintext that the codec left because it waits for an answer to end.
    pub(crate) left: Vec<u8>,
    /// The version of HTTP is told by the first bytes, which have not come.
    pub(crate) undecided: bool,
    /// HTTP/2: streams whose bodies wait for room in the codec's output.
    pub(crate) held: Vec<StreamKey>,
    /// Where a client's connection is counted while it is open.
    pub(crate) open: Option<Open>,
    /// Where a client's HTTP connection is counted while it is open.
    pub(crate) counted: Option<Counted>,
    /// Its slot is free after this turn.
    pub(crate) gone: bool,
    /// What it is to write is not taken: on a client's connection reading rests, an endpoint's takes no new requests.
    pub(crate) choked: bool,
    /// What waits to be written while it only waits to close; it must become less, or the connection ends.
    pub(crate) last_pending: usize,
    /// It waits for the peer's end before it goes: a socket that is closed with bytes unread takes back what was written
    /// last.
    pub(crate) lingers: bool,
    /// Bytes that came while it only waited to close.
    pub(crate) dropped: usize,
    /// Stands in the worker's list of connections that give back memory once they are quiet.
    pub(crate) warm: bool,
    /// When a request or a byte last ended or came.
    pub(crate) quiet_since: Instant,
    /// HTTP/2: up to when time has given back of what the peer may reset unanswered.
    pub(crate) forgiven_until: Instant,
    /// Requests on it.
    pub(crate) streams: Vec<StreamKey>,
    /// Its inspection, handshake or connect must be over by then.
    pub(crate) opening: Option<Instant>,
    /// It lives no longer than until then.
    pub(crate) expires: Option<Instant>,
    /// A client that was told of its end has learned of it by then; one that is to be closed has taken its last bytes.
    pub(crate) drained: Option<Instant>,
}

/// Streams of HTTP/2 that a peer may reset unanswered, for each second of its connection, beyond those that answers give
/// back and the budget that it starts with: who cancels now and then is never cut off, and each costs as little as a
/// request.
const RESETS_A_SECOND: u64 = 100;

impl Conn {
    /// Bytes that wait for this half of a connection of bytes, in the clear and as records.
    pub(crate) fn tunnel_waits(&self) -> usize {
        let waiting = match &self.role {
            Role::Tunnel(tunnel) => tunnel.waiting.len(),
            _ => 0,
        };
        waiting + self.wire.pending()
    }

    /// Gives back what time allows of the budget for resets.
    pub(crate) fn forgive(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.forgiven_until).as_secs();
        if seconds == 0 {
            return;
        }
        self.forgiven_until = now;
        let codec = match &mut self.role {
            Role::Server(server) => &mut server.codec,
            Role::Client(client) => &mut client.codec,
            _ => return,
        };
        if let Codec::Http2(codec) = codec {
            let resets = seconds.saturating_mul(RESETS_A_SECOND);
            codec.refill_reset_budget(u32::try_from(resets).unwrap_or(u32::MAX));
        }
    }
}

/// One more in a number of open connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicU64>);

impl Open {
    pub(crate) fn count(number: &Arc<AtomicU64>) -> Self {
        number.fetch_add(1, Ordering::Relaxed);
        Open(number.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's HTTP connection in its manager's numbers, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    metrics: Metrics<HttpStat>,
    thread: usize,
}

impl Counted {
    pub(crate) fn new(metrics: &Metrics<HttpStat>, thread: usize) -> Self {
        let http = metrics.of(thread);
        http.counter(HttpStat::DownstreamCxTotal).increment();
        http.gauge(HttpStat::DownstreamCxActive).add(1);
        Counted {
            metrics: metrics.clone(),
            thread,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let http = self.metrics.of(self.thread);
        http.counter(HttpStat::DownstreamCxDestroy).increment();
        http.gauge(HttpStat::DownstreamCxActive).subtract(1);
    }
}

/// What a connection is.
#[derive(Debug)]
pub(crate) enum Role {
    /// Accepted; its first bytes are looked at to choose a chain.
    Inspecting(Box<Arrival>),
    /// Chain chosen; TLS is being agreed on.
    Accepting(Box<Arrival>, Arc<FilterChain>),
    /// Speaks HTTP with a client.
    Server(Box<Server>),
    /// Being opened to an endpoint: TCP, then TLS.
    Dialing(Box<Dial>),
    /// Speaks HTTP with an endpoint.
    Client(Box<Client>),
    /// One half of a connection of bytes.
    Tunnel(Box<Tunnel>),
    /// Only waits until its last bytes are written.
    Closing,
}

/// What is known of an accepted connection.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) listener: Arc<Listener>,
    /// The other end.
    pub(crate) source: SocketAddr,
    /// Where it was made to, before redirection.
    pub(crate) destination: SocketAddr,
    /// SNI; empty: none.
    pub(crate) server_name: Arc<str>,
    /// Inspection found `http/1.x` or `h2c`.
    pub(crate) plaintext: Option<&'static str>,
}

/// Facts of a client's connection that all its requests share.
#[derive(Debug)]
pub(crate) struct Downstream {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// What endpoints are to see as their client, where its listener keeps addresses.
    pub(crate) kept_source: Option<Source>,
    /// SNI as log lines show it; empty: none.
    pub(crate) server_name: Arc<str>,
    /// The client's certificate, where it showed one that was verified.
    pub(crate) certificate: Option<Certificate>,
    /// What `x-forwarded-client-cert` says of it, made once: it is the same for every request.
    pub(crate) client_cert_element: Option<Vec<u8>>,
    /// URI name of the certificate shown to the client.
    pub(crate) local_uri: Arc<str>,
    pub(crate) tls: bool,
    pub(crate) number: u64,
    /// Where its requests are counted, for HTTP.
    pub(crate) http: Option<Metrics<HttpStat>>,
    /// Labels of Istio's metrics for what it asks for.
    pub(crate) labels: RefCell<Labels>,
    /// What the client's proxy says of its workload.
    pub(crate) peer: RefCell<Option<Announced>>,
}

/// HTTP with a client.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) facts: Rc<Downstream>,
    pub(crate) manager: Arc<HttpManager>,
    pub(crate) codec: Codec,
    /// HTTP/2 carries requests that are HTTP/1.1.
    pub(crate) carries: bool,
    /// The request under way, for HTTP/1.
    pub(crate) current: Option<StreamKey>,
    /// Requests that came in all.
    pub(crate) requests: u32,
    /// A part of a request's head has come, first then.
    pub(crate) head_since: Option<Instant>,
    /// Has said that it will end.
    pub(crate) draining: bool,
    /// HTTP/1: ends with the request under way.
    pub(crate) ends: bool,
}

/// What a connection is opened for.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) host: Rc<HostState>,
    pub(crate) cluster: ClusterId,
    pub(crate) purpose: Purpose,
    /// TCP is there, TLS is under way.
    pub(crate) connected: bool,
}

/// Why a connection is opened.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Requests: which pool of the host.
    Pool(usize),
    /// Bytes of this client's connection.
    Tunnel(usize),
}

/// HTTP with an endpoint.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) host: Rc<HostState>,
    pub(crate) cluster: ClusterId,
    pub(crate) pool: usize,
    pub(crate) codec: Codec,
    /// HTTP/2 carries requests that are HTTP/1.1.
    pub(crate) carries: bool,
    /// The request under way, for HTTP/1.
    pub(crate) current: Option<StreamKey>,
    /// Requests that were sent in all.
    pub(crate) requests: u32,
    /// Takes no new requests.
    pub(crate) draining: bool,
    /// The endpoint's proxy was told of this workload.
    pub(crate) introduced: bool,
    pub(crate) local: Option<SocketAddr>,
    /// HTTP/1: the head of an answer without body waits for its end.
    pub(crate) head_waits: bool,
}

/// One half of a connection of bytes.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// The other half; `None` until it is there, and once it is gone.
    pub(crate) peer: Option<usize>,
    /// Bytes for this half that its socket has not taken.
    pub(crate) waiting: Queue,
    /// The other half has ended: end this direction after `waiting`.
    pub(crate) finish: bool,
    /// On the client's half: what the log line says at the end.
    pub(crate) record: Option<Box<Record>>,
}

/// What is kept of a connection of bytes for its log line.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) facts: Rc<Downstream>,
    pub(crate) proxy: Arc<TcpProxy>,
    pub(crate) started: Instant,
    pub(crate) host: Option<Rc<HostState>>,
    pub(crate) cluster: Option<Arc<graph::cluster::Cluster>>,
    pub(crate) upstream_local: Option<SocketAddr>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) flags: accesslog::Flags,
    pub(crate) attempts: u32,
    pub(crate) failure: String,
    /// Bytes sent and received that were counted; `None`: not even its opening was.
    pub(crate) reported: Option<(u64, u64)>,
}
