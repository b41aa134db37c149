//! How connections end: by their times, by announcement, and when nothing is left on them.
//!
//! A connection's slot has one entry in the worker's deadlines, which looks at all its times when it comes up.

use std::time::{Duration, Instant};

use accesslog::{Flags, Protocol};
use http2::ErrorCode;
use stats::{ClusterStat, HttpStat};

use super::Worker;
use crate::codec::{Codec, Place};
use crate::conn::{Conn, Role};
use crate::stream::clock::after;

impl Worker {
    /// Sees to it that a connection is looked at when the first of its times is over.
    pub(super) fn watch_conn(&mut self, slot: usize) {
        if let Some(at) = self.next_of_conn(slot) {
            self.due_conns.by(slot, at);
        }
    }

    /// Something of the connection in this slot may be due.
    pub(super) fn look_at_conn(&mut self, slot: usize) {
        let Some(at) = self.next_of_conn(slot) else {
            return;
        };
        if at <= self.now {
            match self.conns.get(slot).map(|c| &c.role) {
                Some(Role::Inspecting(_) | Role::Accepting(..) | Role::Dialing(_)) => {
                    if let Some(c) = self.conns.get_mut(slot) {
                        c.opening = None;
                    }
                    self.opening_timed_out(slot);
                }
                Some(Role::Server(_)) => self.server_due(slot),
                Some(Role::Client(_)) => self.client_due(slot),
                Some(Role::Tunnel(_)) => self.tunnel_due(slot),
                Some(Role::Closing) => self.closing_timed_out(slot),
                None => {}
            }
        }
        self.watch_conn(slot);
    }

    /// When something of a connection is due next.
    fn next_of_conn(&self, slot: usize) -> Option<Instant> {
        let c = self.conns.get(slot).filter(|c| !c.gone)?;
        let times = match &c.role {
            Role::Inspecting(_) | Role::Accepting(..) | Role::Dialing(_) => [c.opening, None, None],
            Role::Server(server) if server.draining => [c.drained, self.head_due(c), None],
            Role::Server(server) => {
                let idle = self.idle_due(c, server.manager.idle_timeout);
                [idle, c.expires, self.head_due(c)]
            }
            Role::Client(client) if client.draining => [None; 3],
            Role::Client(client) => {
                let cluster = self.graph.cluster(client.cluster)?;
                [
                    self.idle_due(c, cluster.settings.idle_timeout),
                    c.expires,
                    None,
                ]
            }
            Role::Tunnel(tunnel) => {
                let record = tunnel.record.as_ref()?;
                // Idle is counted once both halves are there.
                let idle = tunnel.peer.and_then(|peer| {
                    let other = self
                        .conns
                        .get(peer)
                        .map_or(c.quiet_since, |p| p.quiet_since);
                    after(c.quiet_since.max(other), record.proxy.idle_timeout)
                });
                [idle, c.expires, None]
            }
            Role::Closing => [c.drained, None, None],
        };
        times.into_iter().flatten().min()
    }

    /// When a connection has been without requests for too long; of a busy one, when to look again.
    fn idle_due(&self, c: &Conn, timeout: Duration) -> Option<Instant> {
        let since = if c.streams.is_empty() {
            c.quiet_since
        } else {
            self.now
        };
        after(since, timeout)
    }

    /// When the head of a request that has begun to come takes too long.
    fn head_due(&self, c: &Conn) -> Option<Instant> {
        head_times(c)?.into_iter().filter_map(|(at, _)| at).min()
    }

    fn server_due(&mut self, slot: usize) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if c.drained.is_some_and(|at| at <= now) {
            c.drained = None;
            return self.drain_over(slot);
        }
        let late = head_times(c)
            .into_iter()
            .flatten()
            .find(|(at, _)| at.is_some_and(|at| at <= now));
        if let Some((_, late)) = late {
            return self.head_timed_out(slot, late);
        }
        let member = match c.expires.is_some_and(|at| at <= now) {
            true => HttpStat::DownstreamCxMaxDurationReached,
            false => HttpStat::DownstreamCxIdleTimeout,
        };
        let Role::Server(server) = &c.role else {
            return;
        };
        if let Some(http) = &server.facts.http {
            http.of(self.thread).counter(member).increment();
        }
        match &server.codec {
            // It has asked for nothing, so there is nothing that it must be told.
            Codec::Http1(_) if server.requests == 0 => self.close_soon(slot),
            _ => {
                let within = server.manager.drain_timeout;
                self.drain_conn(slot, Some(within));
            }
        }
    }

    /// An endpoint's connection has lived for long enough, or was idle for too long.
    fn client_due(&mut self, slot: usize) {
        let Some(c) = self.conns.get(slot) else {
            return;
        };
        if let Role::Client(client) = &c.role {
            let member = match c.expires.is_some_and(|at| at <= self.now) {
                true => ClusterStat::UpstreamCxMaxDurationReached,
                false => ClusterStat::UpstreamCxIdleTimeout,
            };
            self.count_cluster(client.cluster, member);
        }
        self.retire(slot);
    }

    /// A request whose head does not come to its end is answered.
    fn head_timed_out(&mut self, slot: usize, late: Late) {
        let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role) else {
            return;
        };
        if let Some(http) = &server.facts.http {
            http.of(self.thread).counter(late.counted).increment();
        }
        match &mut server.codec {
            Codec::Http2(codec) => {
                // The rest of the connection cannot be read before the head's.
                server.head_since = None;
                codec.go_away(ErrorCode::ENHANCE_YOUR_CALM);
                let flags = accesslog::Flags::DOWNSTREAM_CONNECTION_TERMINATION;
                self.streams_of(slot, |w, key| w.client_gone_from(key, flags, late.details));
                self.close_soon(slot);
            }
            Codec::Http1(codec) => {
                codec.give_up_head();
                self.scratch.clear();
                let Some(key) = self.begin(slot, Place::Http1, Protocol::Http11) else {
                    return;
                };
                if let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role) {
                    server.current = Some(key);
                }
                self.reply(key, 408, late.body, late.flags, late.details);
            }
        }
    }

    /// Notes whether a part of a request's head has come.
    pub(super) fn note_head(&mut self, slot: usize) {
        let now = self.now;
        let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role) else {
            return;
        };
        let begun = match &server.codec {
            Codec::Http1(codec) => codec.is_in_head(),
            Codec::Http2(codec) => codec.is_in_head(),
        };
        match (begun, server.head_since) {
            (true, None) => {
                server.head_since = Some(now);
                self.watch_conn(slot);
            }
            (false, Some(_)) => server.head_since = None,
            _ => {}
        }
    }

    /// Ends a client's connection that is over: what was announced, or what HTTP/1 cannot keep.
    pub(super) fn end_if_done(&mut self, slot: usize) {
        let Some(c) = self.conns.get(slot) else {
            return;
        };
        let Role::Server(server) = &c.role else {
            return;
        };
        let done = match &server.codec {
            Codec::Http1(codec) => codec.should_close() && server.current.is_none(),
            Codec::Http2(codec) => codec.is_drained() || codec.is_closed(),
        };
        if done && server.codec.output().is_empty() {
            self.close_soon(slot);
        }
    }

    /// Announces to a client that its connection ends. By HTTP/2 it has its manager's time to learn of it
    /// (`drain_timeout`). By HTTP/1 it is told with the next answer; a connection that asks for none ends after
    /// `silent`, or stays, since what ends it may cross a request.
    pub(super) fn drain_conn(&mut self, slot: usize, silent: Option<Duration>) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Server(server) = &mut c.role else {
            return;
        };
        if std::mem::replace(&mut server.draining, true) {
            return;
        }
        c.drained = match &mut server.codec {
            Codec::Http2(codec) => {
                codec.announce();
                Some(now + server.manager.drain_timeout)
            }
            Codec::Http1(codec) => {
                codec.close_after();
                silent.map(|silent| now + silent)
            }
        };
        self.watch_conn(slot);
        self.touch(slot);
    }

    /// A client has had its time: its connection ends with its last request.
    fn drain_over(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Server(server) = &mut c.role else {
            return;
        };
        match &mut server.codec {
            Codec::Http2(codec) => {
                codec.go_away(ErrorCode::NO_ERROR);
                self.touch(slot);
            }
            Codec::Http1(_) => {
                server.ends = true;
                if c.streams.is_empty() {
                    self.close_soon(slot);
                }
            }
        }
    }
}

/// What takes too long before a request's head has come.
#[derive(Debug, Clone, Copy)]
struct Late {
    body: &'static [u8],
    flags: Flags,
    details: &'static str,
    counted: HttpStat,
}

/// The times of a request whose head has begun to come: Envoy's count from its first byte.
fn head_times(c: &Conn) -> Option<[(Option<Instant>, Late); 4]> {
    let Role::Server(server) = &c.role else {
        return None;
    };
    let since = server.head_since?;
    let manager = &server.manager;
    Some([
        (
            after(since, manager.request_headers_timeout),
            Late {
                body: b"request header timeout",
                flags: Flags::NONE,
                details: "request_header_timeout",
                counted: HttpStat::DownstreamRqHeaderTimeout,
            },
        ),
        (
            after(since, manager.request_timeout),
            Late {
                body: b"request timeout",
                flags: Flags::NONE,
                details: "request_overall_timeout",
                counted: HttpStat::DownstreamRqTimeout,
            },
        ),
        (
            after(since, manager.max_stream_duration),
            Late {
                body: b"downstream duration timeout",
                flags: Flags::NONE,
                details: "max_duration_timeout",
                counted: HttpStat::DownstreamRqMaxDurationReached,
            },
        ),
        (
            // Bytes of a head are no progress: nothing of the request has passed.
            after(since, manager.stream_idle_timeout),
            Late {
                body: b"stream timeout",
                flags: Flags::STREAM_IDLE_TIMEOUT,
                details: "stream_idle_timeout",
                counted: HttpStat::DownstreamRqIdleTimeout,
            },
        ),
    ])
}
