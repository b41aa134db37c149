//! A request on its way through the proxy and its answer back.

pub(crate) mod clock;
mod queue;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use accesslog::{Flags, Protocol};
use graph::cluster::Cluster;
use graph::manager::HttpManager;
use graph::route::{Route, VirtualHost};
use headers::Headers;
use slab::Slab;

use clock::Clock;

pub(crate) use queue::Queue;

use crate::codec::Place;
use crate::conn::Downstream;
use crate::telemetry::Messages;
use crate::upstream::host::HostState;

/// A request by its slot and how often the slot was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The request of a key, if it is still under way. It borrows the slab alone: its connections stay free to be used.
pub(crate) fn live(streams: &mut Slab<Stream>, key: StreamKey) -> Option<&mut Stream> {
    streams
        .get_mut(key.slot as usize)
        .filter(|s| s.live && s.generation == key.generation)
}

/// How far a request is on its way upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its head came and nothing is decided, or it is answered here.
    Local,
    /// It waits for a connection, or for a retry's time.
    Waiting,
    /// It was sent to an endpoint; no answer has begun.
    Sent,
    /// The answer has begun and goes to the client.
    Answering,
}

/// Half a message that has not gone on yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Body bytes.
    pub(crate) bytes: Queue,
    /// The message ends after them.
    pub(crate) end: bool,
    /// Trailers come before the end.
    pub(crate) trailers: Option<Box<Headers>>,
    /// The end went on.
    pub(crate) done: bool,
}

impl Pending {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.end = false;
        self.trailers = None;
        self.done = false;
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) generation: u32,
    /// In use: the slot's lists are kept for the next request.
    pub(crate) live: bool,
    pub(crate) down: usize,
    pub(crate) down_place: Place,
    /// Its place in the list of its client's connection.
    pub(crate) down_at: u32,
    /// The client's side is over: nothing can be said to it any more.
    pub(crate) down_gone: bool,
    pub(crate) up: Option<(usize, Place)>,
    /// Its place in the list of `up`.
    pub(crate) up_at: u32,
    pub(crate) facts: Rc<Downstream>,
    pub(crate) manager: Arc<HttpManager>,
    pub(crate) protocol: Protocol,
    pub(crate) started: Instant,
    pub(crate) clock: Clock,
    pub(crate) request: Headers,
    pub(crate) response: Headers,
    pub(crate) trailers: Headers,
    pub(crate) virtual_host: Option<Arc<VirtualHost>>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) host: Option<Rc<HostState>>,
    pub(crate) upstream_local: Option<std::net::SocketAddr>,
    pub(crate) stage: Stage,
    /// From the client to the endpoint.
    pub(crate) to_up: Pending,
    /// From the endpoint to the client.
    pub(crate) to_down: Pending,
    /// The request's body so far, while it may have to be sent again; `None`: it cannot be.
    pub(crate) replay: Option<Vec<u8>>,
    /// A part of it has gone on that is not in `replay`.
    pub(crate) is_split: bool,
    /// How often it was moved because its endpoint went away without looking at it.
    pub(crate) moves: u8,
    /// Bytes received from the client and not given back to its window.
    pub(crate) owed_down: usize,
    /// Bytes received from the endpoint and not given back to its window.
    pub(crate) owed_up: usize,
    pub(crate) upgrade: bool,
    pub(crate) is_head: bool,
    pub(crate) status: u16,
    pub(crate) sent_at: Option<Instant>,
    pub(crate) attempts: u32,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) flags: Flags,
    pub(crate) details: Cow<'static, str>,
    pub(crate) failure: Cow<'static, str>,
    pub(crate) random: u64,
    /// The client's address, after `x-forwarded-for` is understood.
    pub(crate) client: std::net::IpAddr,
    /// Endpoints that attempts went to.
    pub(crate) tried: Vec<std::net::SocketAddr>,
    pub(crate) timeouts: routing::timeout::Timeouts,
    /// The attempt under way is counted at its endpoint and cluster.
    pub(crate) counted: bool,
    /// It stands in the queue of this pool of its endpoint.
    pub(crate) queued: bool,
    pub(crate) pool: usize,
    /// It is a retry, counted as such.
    pub(crate) retrying: bool,
    /// `trailers` came.
    pub(crate) has_trailers: bool,
    /// The head of an answer went to the client.
    pub(crate) head_sent: bool,
    pub(crate) response_at: Option<Instant>,
    /// The fault that answers once its delay is over.
    pub(crate) aborts: Option<graph::policy::Abort>,
    /// What a gRPC client is told by an answer from here, where its status says too little.
    pub(crate) grpc_status: Option<u32>,
    /// What is tried again: the route's policy and what the client may ask.
    pub(crate) asked: balance::Asked,
    /// Messages of a gRPC call; none: it is not one.
    pub(crate) grpc: Option<GrpcMessages>,
    /// What chooses its endpoint in clusters that hash.
    pub(crate) hash: Option<u64>,
    /// A cookie that the answer brings, so that the client comes back to the same endpoint.
    pub(crate) cookie: Option<Vec<u8>>,
    /// Its authority becomes the name of the endpoint.
    pub(crate) takes_host_name: bool,
    /// Copies of it that were sent elsewhere.
    pub(crate) copies: Vec<StreamKey>,
    /// It is a copy: it has no client, and what comes back is dropped.
    pub(crate) is_copy: bool,
}

/// Messages of a gRPC call, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GrpcMessages {
    pub(crate) requests: Messages,
    pub(crate) responses: Messages,
}

impl Stream {
    /// Whether it still waits for a connection to this endpoint: a later attempt may wait for another one.
    pub(crate) fn waits_for(&self, host: &Rc<HostState>) -> bool {
        self.queued && self.host.as_ref().is_some_and(|h| Rc::ptr_eq(h, host))
    }
}
