//! A worker: one thread, one loop, its own connections, pools and balancers.
//!
//! A turn of the loop handles all that became ready, then what that left to do, then what is due, and only then writes:
//! all frames for one connection leave in one write, which is one TLS record.

mod accept;
mod body;
mod carry;
mod client;
mod config;
mod dial;
mod dispatch;
mod ending;
mod finish;
mod leave;
mod members;
mod mirror;
mod quiet;
mod read;
mod reply;
mod report;
mod request;
mod retry;
mod server;
mod telemetry;
mod timeouts;
mod tunnel;
mod write;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant, SystemTime};

use graph::Graph;
use graph::listener::Listener;
use headers::Headers;
use mio::net::TcpListener;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::arrivals::Arrivals;
use crate::conn::{Conn, Role};
use crate::date::Date;
use crate::deadlines::Deadlines;
use crate::held::Held;
use crate::logs::Lines;
use crate::random::Random;
use crate::report::ClusterReport;
use crate::stream::{Stream, StreamKey, live};
use crate::telemetry::Telemetry;
use crate::timers::{Timer, Timers};
use crate::upstream::cluster::ClusterState;
use leave::Leaving;

/// What a worker is told from outside.
#[derive(Debug)]
pub(crate) enum Message {
    /// A new configuration.
    Graph(Arc<Graph>, Arc<Arrivals>),
    /// Announce the end on inbound connections (or on all) and let them go as they fall quiet.
    Drain {
        /// Only those of inbound listeners.
        inbound_only: bool,
    },
    /// Tell what is known of endpoints.
    Report(Sender<Vec<ClusterReport>>),
    /// Say what you hold.
    Held(Sender<Held>),
    /// Take no connections any more, go on until no request is under way or this long, then end. The sender is dropped
    /// then.
    Leave(Duration, Sender<()>),
    /// End now.
    Stop,
}

/// Open connections of clients, of all workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenConnections {
    /// Of inbound listeners.
    pub(crate) inbound: Arc<AtomicU64>,
    /// Of outbound listeners.
    pub(crate) outbound: Arc<AtomicU64>,
}

/// Left for after the event that caused it.
#[derive(Debug)]
enum Todo {
    /// Find an endpoint for a request.
    Dispatch(StreamKey),
    /// Read a connection again: what held it back is gone.
    Read(usize),
    /// A body may go on to the client.
    PumpDown(StreamKey),
    /// A body may go on to the endpoint.
    PumpUp(StreamKey),
    /// An upgrade was decided on: a client's connection goes on with what it had read behind the request.
    Decided(usize),
    /// A request whose answer is out ends, whether its own end has come or not.
    Finish(StreamKey),
    /// A pool may have room for who waits.
    Pool(
        std::rc::Rc<crate::upstream::host::HostState>,
        usize,
        graph::cluster::ClusterId,
    ),
}

/// A socket that listens.
#[derive(Debug)]
struct Listening {
    socket: TcpListener,
    address: SocketAddr,
    listener: Arc<Listener>,
}

const WAKE: Token = Token(usize::MAX);
/// Tokens of listening sockets count down from here, those of connections up from 0.
const LISTENERS: usize = usize::MAX / 2;
/// Rounds of left-over work in a turn before writing gets its chance.
const ROUNDS: usize = 64;

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    inbox: Receiver<Message>,
    graph: Arc<Graph>,
    arrivals: Arc<Arrivals>,
    listening: Slab<Listening>,
    conns: Slab<Conn>,
    streams: Slab<Stream>,
    /// Slots of `streams` that are free, with their memory.
    free_streams: Vec<u32>,
    clusters: Vec<Option<Box<ClusterState>>>,
    timers: Timers,
    /// When requests are to be looked at, by slot.
    due_streams: Deadlines,
    /// When connections are, by slot.
    due_conns: Deadlines,
    todo: VecDeque<Todo>,
    dirty: Vec<usize>,
    gone: Vec<usize>,
    /// Connections that have more to read, of the kernel's or of their own, and had enough of this turn.
    later: Vec<usize>,
    /// Connections that were used since they last gave back memory.
    warm: Vec<usize>,
    /// Listening sockets with more to accept.
    accept_again: Vec<usize>,
    buffer: Vec<u8>,
    /// Room for records of TLS before they are written.
    sealed: Vec<u8>,
    /// Room for the plaintext of several records; empty between reads.
    gathered: Vec<u8>,
    scratch: Headers,
    random: Random,
    lines: Lines,
    started: Instant,
    now: Instant,
    /// The wall clock at `now`.
    wall: SystemTime,
    date: Date,
    next_number: u64,
    /// Of the next request: no two have the same one for a very long time, whatever slots they have.
    next_generation: u32,
    open: OpenConnections,
    /// Clients are told that their connections end: those of inbound listeners only (`true`), or all.
    draining: Option<bool>,
    leaving: Option<Leaving>,
    stopping: bool,
    /// Where it counts, and by which number of its own.
    telemetry: Arc<Telemetry>,
    thread: usize,
    /// Connections of bytes are reported from time to time.
    reporting: bool,
}

impl Worker {
    pub(crate) fn new(
        poll: Poll,
        inbox: Receiver<Message>,
        lines: Lines,
        open: OpenConnections,
        seed: u64,
        telemetry: Arc<Telemetry>,
        thread: usize,
    ) -> Self {
        Worker {
            poll,
            inbox,
            graph: Arc::default(),
            arrivals: Arc::default(),
            listening: Slab::new(),
            conns: Slab::new(),
            streams: Slab::new(),
            free_streams: Vec::new(),
            clusters: Vec::new(),
            timers: Timers::default(),
            due_streams: Deadlines::default(),
            due_conns: Deadlines::default(),
            todo: VecDeque::new(),
            dirty: Vec::new(),
            gone: Vec::new(),
            later: Vec::new(),
            warm: Vec::new(),
            accept_again: Vec::new(),
            buffer: Vec::new(),
            sealed: Vec::new(),
            gathered: Vec::new(),
            scratch: Headers::new(),
            random: Random::new(seed),
            lines,
            started: Instant::now(),
            now: Instant::now(),
            wall: SystemTime::now(),
            date: Date::default(),
            next_number: 0,
            next_generation: 0,
            open,
            draining: None,
            leaving: None,
            stopping: false,
            telemetry,
            thread,
            reporting: false,
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.stopping {
            let idle = self.todo.is_empty()
                && self.accept_again.is_empty()
                && self.dirty.is_empty()
                && self.later.is_empty();
            let rest = if idle {
                self.rest()
            } else {
                Some(Duration::ZERO)
            };
            if let Err(error) = self.poll.poll(&mut events, rest)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!("a worker cannot wait for events: {error}");
                return;
            }
            self.now = Instant::now();
            self.wall = SystemTime::now();
            for event in &events {
                self.on_event(event);
            }
            for listening in std::mem::take(&mut self.accept_again) {
                self.accept(listening);
            }
            for slot in std::mem::take(&mut self.later) {
                self.go_on_reading(slot);
            }
            self.turn();
            self.leave_if_done();
        }
        self.lines.flush();
    }

    /// What follows the events of a turn.
    fn turn(&mut self) {
        for _ in 0..ROUNDS {
            let Some(todo) = self.todo.pop_front() else {
                break;
            };
            self.on_todo(todo);
            // Work begets work; the bound is on rounds over what was there, not on single pieces.
            for _ in 0..self.todo.len() {
                if let Some(todo) = self.todo.pop_front() {
                    self.on_todo(todo);
                }
            }
        }
        while let Some(timer) = self.timers.due(self.now) {
            self.on_timer(timer);
        }
        while let Some(slot) = self.due_conns.due(self.now) {
            self.look_at_conn(slot);
        }
        while let Some(slot) = self.due_streams.due(self.now) {
            self.look_at_stream(slot);
        }
        self.write_dirty();
        for slot in std::mem::take(&mut self.gone) {
            self.conns.try_remove(slot);
        }
        if self.lines.is_full() {
            self.lines.flush();
        }
    }

    fn on_event(&mut self, event: &mio::event::Event) {
        let Token(token) = event.token();
        if event.token() == WAKE {
            self.on_messages();
        } else if token >= LISTENERS {
            self.accept(token - LISTENERS);
        } else {
            let Some(conn) = self.conns.get_mut(token) else {
                return;
            };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                conn.wire.readable = true;
            }
            conn.wire.hung_up |= event.is_read_closed() || event.is_error();
            if conn.paused && event.is_error() && matches!(conn.role, Role::Tunnel(_)) {
                let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                return self.on_broken(token, &reset);
            }
            self.notice_early_end(token);
            let Some(conn) = self.conns.get_mut(token) else {
                return;
            };
            if event.is_writable() {
                conn.wire.writable = true;
                self.on_writable(token);
            }
            if self
                .conns
                .get(token)
                .is_some_and(|c| c.wire.readable && !c.gone)
            {
                self.on_readable(token);
            }
        }
    }

    fn on_todo(&mut self, todo: Todo) {
        match todo {
            Todo::Dispatch(key) => self.dispatch(key),
            Todo::Read(conn) => {
                if let Some(c) = self.conns.get_mut(conn).filter(|c| !c.gone) {
                    c.again = false;
                    self.on_readable(conn);
                }
            }
            Todo::PumpDown(key) => self.pump_down(key),
            Todo::PumpUp(key) => self.pump_up(key),
            Todo::Decided(conn) => self.after_upgrade(conn),
            Todo::Finish(key) => self.finish(key),
            Todo::Pool(host, pool, cluster) => self.serve_pool(&host, pool, cluster),
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Quiet => self.cool(),
            Timer::Logs => self.lines.time_is_over(),
            Timer::Report => self.report_tunnels(),
            Timer::Accept(listening) => self.accept(listening),
            Timer::Outliers(id) => self.look_at_outliers(id),
        }
    }

    /// How long nothing will be due.
    fn rest(&self) -> Option<Duration> {
        [
            self.timers.rest(self.now),
            self.due_conns.rest(self.now),
            self.due_streams.rest(self.now),
            self.rest_before_leaving(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The request of a key, if it is still under way.
    fn stream(&mut self, key: StreamKey) -> Option<&mut Stream> {
        live(&mut self.streams, key)
    }

    /// Time since the worker began, for what counts in durations.
    fn since_start(&self) -> Duration {
        self.now.saturating_duration_since(self.started)
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
