//! The end of requests: what they held is given back, and their line is written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use accesslog::{AccessLog, Entry};
use balance::Recorded;
use http2::ErrorCode;
use stats::ClusterStat;

use super::members::Side;
use super::telemetry::{count_answer, count_request};
use super::{Todo, Worker};
use crate::codec::{Codec, Place};
use crate::conn::{Downstream, Record, Role};
use crate::stream::{Stage, Stream, StreamKey, live};
use crate::timers::Timer;

/// A line waits at most so long for the writer.
const LOG_DELAY: Duration = Duration::from_secs(1);

impl Worker {
    /// Ends a request whose answer is out.
    pub(super) fn finish_if_done(&mut self, key: StreamKey) {
        let Some(s) = self.stream(key) else { return };
        if s.to_down.done && !s.to_up.end && !s.down_gone && s.down_place == Place::Http1 {
            // The request's end may stand right behind what was just read; else its connection has to end.
            self.todo.push_back(Todo::Finish(key));
        } else if s.to_down.done || s.down_gone {
            self.finish(key);
        }
    }

    /// The client takes no answer any more.
    pub(super) fn client_gone_from(
        &mut self,
        key: StreamKey,
        flags: accesslog::Flags,
        details: &'static str,
    ) {
        let Some(s) = self.stream(key) else { return };
        s.down_gone = true;
        if s.details.is_empty() || s.stage != Stage::Local {
            s.details = details.into();
        }
        s.flags |= flags;
        if !s.head_sent {
            s.status = 0;
        }
        self.finish(key);
    }

    /// Gives up an attempt that may still be under way at its endpoint.
    pub(super) fn abandon_up(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(s) = self.stream(key) else { return };
        let (up, at) = (s.up.take(), s.up_at);
        let ended = s.to_up.done && s.to_down.end;
        let answered = (s.stage == Stage::Answering).then_some((s.status, s.sent_at));
        let owed = std::mem::take(&mut s.owed_up);
        let (host, cluster, counted, retrying) = (
            s.host.clone(),
            s.cluster.as_ref().map(|c| c.id),
            std::mem::take(&mut s.counted),
            std::mem::take(&mut s.retrying),
        );
        if std::mem::take(&mut s.queued)
            && let (Some(host), Some(cluster)) = (&host, cluster)
        {
            let pool = s.pool;
            self.unpend(cluster);
            let streams = &mut self.streams;
            host.with(pool, |p| {
                p.left_queue(|key| live(streams, *key).is_some_and(|s| s.waits_for(host)))
            });
        }
        if counted {
            if let Some(host) = &host {
                host.active.set(host.active.get().saturating_sub(1));
            }
            let state = cluster
                .and_then(|id| self.clusters.get_mut(id.index()))
                .and_then(Option::as_mut);
            if let Some(state) = state {
                let stats = state.metrics.of(self.thread);
                stats.gauge(ClusterStat::UpstreamRqActive).subtract(1);
                if let Some((status, sent)) = answered {
                    let took = sent.map(|at| now.saturating_duration_since(at));
                    count_answer(&stats, status, took);
                }
                state.requests = state.requests.saturating_sub(1);
            }
        }
        let state = cluster
            .filter(|_| retrying)
            .and_then(|id| self.clusters.get_mut(id.index()))
            .and_then(Option::as_mut);
        if let Some(state) = state {
            // One that found no endpoint was never counted as an attempt, and yet as a retry.
            state.retries = state.retries.saturating_sub(1);
        }
        let Some((slot, place)) = up else { return };
        self.delist(slot, key, Side::Up, at);
        // The connection is shared: what this answer held of its window comes back, read or not.
        self.release_on(slot, place, owed);
        self.leave_up(key, slot, place, ended);
    }

    /// Leaves an endpoint's connection: `ended` both ways, or not.
    fn leave_up(&mut self, key: StreamKey, slot: usize, place: Place, ended: bool) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.quiet_since = now;
        c.held.retain(|k| *k != key);
        let Role::Client(client) = &mut c.role else {
            return;
        };
        let (host, pool, cluster) = (client.host.clone(), client.pool, client.cluster);
        match (&mut client.codec, place) {
            (Codec::Http2(codec), Place::Http2(stream)) => {
                if !ended {
                    codec.reset(stream, ErrorCode::CANCEL);
                }
                self.touch(slot);
                self.end_if_left(slot);
            }
            (Codec::Http1(codec), _) => {
                client.current = None;
                let reusable = ended
                    && codec.keep_alive()
                    && !client.draining
                    && !c.wire.ended
                    && !c.wire.broken;
                if reusable {
                    host.with(pool, |p| p.ready.push(slot));
                    if host
                        .with(pool, |p| !p.waiting.is_empty())
                        .unwrap_or_default()
                    {
                        self.todo.push_back(Todo::Pool(host, pool, cluster));
                    }
                    self.resume(slot);
                } else {
                    self.uncount_connection(slot);
                    self.close_soon(slot);
                    if host
                        .with(pool, |p| !p.waiting.is_empty())
                        .unwrap_or_default()
                    {
                        self.todo.push_back(Todo::Pool(host, pool, cluster));
                    }
                }
            }
            (Codec::Http2(_), Place::Http1) => {}
        }
    }

    /// Ends a request.
    pub(super) fn finish(&mut self, key: StreamKey) {
        self.abandon_up(key);
        self.leave_copies(key);
        let now = self.now;
        let wall = self.wall;
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        s.live = false;
        let (down, place, down_gone, at) = (s.down, s.down_place, s.down_gone, s.down_at);
        let (whole, owed) = (s.to_up.end, std::mem::take(&mut s.owed_down));
        s.to_up.bytes.clear();
        let s: &Stream = s;
        if !s.is_copy {
            count_request(&self.telemetry, self.thread, s, now);
            let entry = s.entry(now, wall);
            for log in &s.manager.access_logs {
                self.lines.add(&log.path, |line| log.write(&entry, line));
            }
        }
        if self.lines.ask_for_time() {
            self.timers.add(now + LOG_DELAY, Timer::Logs);
        }
        self.free_streams.push(key.slot);
        self.release_on(down, place, owed);
        self.delist(down, key, Side::Down, at);
        self.leave_down(key, down, place, down_gone, whole);
    }

    /// Writes lines and sees to it that they are handed over in time.
    pub(super) fn log(&mut self, logs: &[Arc<AccessLog>], entry: &Entry<'_>) {
        for log in logs {
            self.lines.add(&log.path, |line| log.write(entry, line));
        }
        if self.lines.ask_for_time() {
            self.timers.add(self.now + LOG_DELAY, Timer::Logs);
        }
    }

    /// Leaves the client's connection: `whole` when the request had come to its end.
    fn leave_down(&mut self, key: StreamKey, slot: usize, place: Place, gone: bool, whole: bool) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.quiet_since = now;
        c.held.retain(|k| *k != key);
        let Role::Server(server) = &mut c.role else {
            return;
        };
        match (&mut server.codec, place) {
            (Codec::Http2(codec), Place::Http2(stream)) => {
                if !gone && !whole {
                    // The answer is whole and the request is not: the rest of it is not wanted (RFC 9113, 8.1).
                    codec.reset(stream, ErrorCode::NO_ERROR);
                }
                self.touch(slot);
            }
            (Codec::Http1(codec), _) => {
                server.current = None;
                if gone || !whole || server.ends || codec.should_close() {
                    self.close_soon(slot);
                } else {
                    self.touch(slot);
                    self.resume(slot);
                }
            }
            (Codec::Http2(_), Place::Http1) => {}
        }
    }

    /// Tells what watches endpoints how an attempt went.
    pub(super) fn record(&mut self, key: StreamKey, outcome: Recorded) {
        let since = self.since_start();
        let Some(s) = self.stream(key) else { return };
        let (Some(host), Some(cluster)) = (s.host.clone(), s.cluster.as_ref().map(|c| c.id)) else {
            return;
        };
        if let Some(state) = self
            .clusters
            .get_mut(cluster.index())
            .and_then(Option::as_mut)
        {
            state.record(&host, outcome, since);
        }
    }

    /// Writes what a connection has to say without waiting for the turn's end.
    pub(super) fn flush_now(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let codec = match &mut c.role {
            Role::Server(s) => &mut s.codec,
            Role::Client(u) => &mut u.codec,
            _ => return,
        };
        let sent = c.wire.send(codec.output(), &mut self.sealed);
        codec.advance(sent);
        c.wire.flush();
    }
}

impl Stream {
    /// What a log line says of this request.
    pub(crate) fn entry(&self, now: Instant, wall: SystemTime) -> Entry<'_> {
        let duration = now.saturating_duration_since(self.started);
        let mut downstream = self.facts.logged();
        if self.client != self.facts.source.ip() {
            downstream.remote_address = SocketAddr::new(self.client, 0);
        }
        Entry {
            request: Some(&self.request),
            response: self.head_sent.then_some(&self.response),
            trailers: self.has_trailers.then_some(&self.trailers),
            protocol: Some(self.protocol),
            response_code: self.status,
            response_code_details: &self.details,
            flags: self.flags,
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            duration,
            response_duration: self
                .response_at
                .map(|at| at.saturating_duration_since(self.started)),
            route_name: self.route.as_ref().map_or("", |r| &r.name),
            upstream: accesslog::Upstream {
                host: self.host.as_ref().map(|h| h.host.address),
                cluster: self.cluster.as_ref().map_or("", |c| &c.name),
                local_address: self.upstream_local,
                attempts: self.attempts,
                transport_failure_reason: &self.failure,
                ..accesslog::Upstream::default()
            },
            ..Entry::new(wall.checked_sub(duration).unwrap_or(wall), downstream)
        }
    }
}

impl Downstream {
    /// What a log line says of the client's connection.
    fn logged(&self) -> accesslog::Downstream<'_> {
        let mut logged = accesslog::Downstream::new(self.destination, self.source);
        logged.connection_id = self.number;
        logged.requested_server_name = &self.server_name;
        logged.tls = self.certificate.as_ref().map(|certificate| accesslog::Tls {
            peer_uri_san: certificate.uris.first().map_or("", |u| u),
            peer_dns_san: certificate.dns.first().map_or("", |d| d),
            peer_subject: &certificate.subject,
            peer_fingerprint_256: &certificate.hash,
            local_uri_san: &self.local_uri,
            ..accesslog::Tls::default()
        });
        logged
    }
}

impl Record {
    /// What a log line says of this connection.
    pub(crate) fn entry(&self, now: Instant, wall: SystemTime) -> Entry<'_> {
        let duration = now.saturating_duration_since(self.started);
        Entry {
            flags: self.flags,
            bytes_received: self.received,
            bytes_sent: self.sent,
            duration,
            upstream: accesslog::Upstream {
                host: self.host.as_ref().map(|h| h.host.address),
                cluster: self.cluster.as_ref().map_or("", |c| &c.name),
                local_address: self.upstream_local,
                attempts: self.attempts,
                transport_failure_reason: &self.failure,
                ..accesslog::Upstream::default()
            },
            ..Entry::new(
                wall.checked_sub(duration).unwrap_or(wall),
                self.facts.logged(),
            )
        }
    }
}
