//! From a request that is ready to an endpoint's connection.

use std::rc::Rc;

use accesslog::{Flags, Protocol};
use graph::cluster::{ClusterId, UpstreamProtocol};
use graph::route::HostRewrite;
use headers::{Headers, Known};
use stats::ClusterStat;

use super::{Todo, Worker, carry, mirror};
use crate::codec::{Codec, ENOUGH_OUTPUT, Place, length};
use crate::conn::Role;
use crate::stream::clock::after;
use crate::stream::{Stage, StreamKey, live};
use crate::timers::Timer;
use crate::upstream::cluster::ClusterState;
use crate::upstream::host::{HostState, Next, PoolKey};
use crate::wire::Wire;

/// Why an attempt failed before its answer was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection could be made.
    Connect,
    /// The endpoint did not begin it.
    Refused,
    /// The endpoint reset it.
    RemoteReset,
    /// The connection ended.
    Terminated,
    /// The endpoint broke the protocol.
    Protocol,
    /// The attempt's time was over.
    PerTryTimeout,
}

impl Worker {
    /// The state of a cluster, at its newest version.
    pub(super) fn cluster(&mut self, id: ClusterId) -> Option<&mut ClusterState> {
        // Those that there are were brought to this version when it came.
        let newest = self.graph.cluster(id)?;
        let at = id.index();
        if self.clusters.len() <= at {
            self.clusters.resize_with(at + 1, || None);
        }
        let (random, now, started) = (&mut self.random, self.now, self.started);
        let state = self.clusters.get_mut(at)?.get_or_insert_with(|| {
            let since = now.saturating_duration_since(started);
            let registry = &self.telemetry.registry;
            let state = ClusterState::new(newest.clone(), random.next(), since, registry);
            Box::new(state)
        });
        if let Some(outlier) = newest.settings.outlier
            && state.look_at.is_none()
        {
            let at = self.now + outlier.interval;
            state.look_at = Some(at);
            self.timers.add(at, Timer::Outliers(id));
        }
        Some(state)
    }

    /// Takes back ejected endpoints of a cluster whose time is over.
    pub(super) fn look_at_outliers(&mut self, id: ClusterId) {
        let (now, since, started) = (self.now, self.since_start(), self.started);
        let Some(state) = self.clusters.get_mut(id.index()).and_then(Option::as_mut) else {
            return;
        };
        // Of a state that is no more: the present one has its own.
        if state.look_at.is_none_or(|at| at > now) {
            return;
        }
        state.look_at = state.tick(since).map(|next| started + next);
        if let Some(at) = state.look_at {
            self.timers.add(at, Timer::Outliers(id));
        }
    }

    /// Finds an endpoint and a connection for a request.
    pub(super) fn dispatch(&mut self, key: StreamKey) {
        let thread = self.thread;
        let random = self.random.next();
        let Some(s) = self
            .stream(key)
            .filter(|s| s.stage == Stage::Waiting && !s.counted)
        else {
            return;
        };
        let Some(cluster) = s.cluster.clone() else {
            return;
        };
        let destination = s.facts.destination;
        let http2 = match cluster.settings.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Downstream => s.protocol == Protocol::Http2,
        };
        let pool_key = PoolKey {
            http2,
            overridden: s.manager.filters.alpn.is_some(),
            may_carry: !http2 && carry::may_be(s, &cluster),
            source: s.facts.kept_source,
        };
        let hash = s.hash;
        // Istio lets a hash choose the same endpoint again.
        let tried = if s.attempts > 0 && !cluster.settings.balancing.is_hashed() {
            s.tried.clone()
        } else {
            Vec::new()
        };
        let Some(state) = self.cluster(cluster.id) else {
            return self.reply(key, 503, b"", Flags::NO_CLUSTER_FOUND, "cluster_not_found");
        };
        let cluster = state.cluster.clone();
        let full = state.requests >= cluster.settings.limits.requests;
        let Some(host) = state.pick(destination, &tried, random, hash) else {
            let stats = state.metrics.of(thread);
            stats
                .counter(ClusterStat::UpstreamCxNoneHealthy)
                .increment();
            return self.reply(
                key,
                503,
                b"no healthy upstream",
                Flags::NO_HEALTHY_UPSTREAM,
                "no_healthy_upstream",
            );
        };
        if full {
            let stats = state.metrics.of(thread);
            stats
                .counter(ClusterStat::UpstreamRqPendingOverflow)
                .increment();
            if let Some(s) = self.stream(key) {
                s.host = Some(host);
            }
            return self.overflow(key);
        }
        state.requests += 1;
        let stats = state.metrics.of(thread);
        stats.counter(ClusterStat::UpstreamRqTotal).increment();
        stats.gauge(ClusterStat::UpstreamRqActive).add(1);
        host.active.set(host.active.get() + 1);
        host.count(|counts| counts.requests += 1);
        let Some(s) = self.stream(key) else { return };
        s.attempts += 1;
        s.tried.push(host.host.address);
        s.host = Some(host.clone());
        s.cluster = Some(cluster.clone());
        s.counted = true;
        if s.takes_host_name {
            // What a client asked for is kept once: a retry finds the name of the endpoint before.
            let keep = s.attempts == 1 && !s.manager.filters.suppress_envoy_headers;
            let name = host.host.hostname.as_deref();
            routing::rewrite_host(&mut s.request, &HostRewrite::Auto, name, keep);
        }
        let pool = host.pool(pool_key);
        while let Some(slot) = self.ready_connection(&host, pool) {
            if self.send_request(key, slot) {
                return;
            }
        }
        let pending = self.cluster(cluster.id).map_or(0, |c| c.pending);
        if pending >= cluster.settings.limits.pending {
            self.count_cluster(cluster.id, ClusterStat::UpstreamRqPendingOverflow);
            // It never had a place at the endpoint.
            self.abandon_up(key);
            if let Some(s) = self.stream(key) {
                s.host = None;
            }
            return self.overflow(key);
        }
        host.with(pool, |p| p.waiting.push_back(key));
        if let Some(s) = self.stream(key) {
            (s.queued, s.pool) = (true, pool);
        }
        if let Some(state) = self.cluster(cluster.id) {
            state.pending += 1;
            let stats = state.metrics.of(thread);
            stats
                .counter(ClusterStat::UpstreamRqPendingTotal)
                .increment();
            stats.gauge(ClusterStat::UpstreamRqPendingActive).add(1);
        }
        self.dial_for_pool(&host, pool, cluster.id);
    }

    /// A connection of a pool that takes a request now.
    fn ready_connection(&mut self, host: &Rc<HostState>, pool: usize) -> Option<usize> {
        loop {
            let slot = host.with(pool, |p| p.ready.last().copied())??;
            let usable = match self
                .conns
                .get(slot)
                .filter(|c| !c.gone && !c.wire.broken)
                .map(|c| (&c.role, &c.wire))
            {
                Some((Role::Client(client), wire)) if !client.draining => match &client.codec {
                    Codec::Http2(codec) => takes_requests(wire, codec),
                    Codec::Http1(codec) => {
                        host.with(pool, |p| p.ready.pop());
                        if codec.is_idle() && codec.keep_alive() {
                            return Some(slot);
                        }
                        continue;
                    }
                },
                _ => {
                    host.with(pool, |p| p.ready.pop());
                    continue;
                }
            };
            if usable {
                return Some(slot);
            }
            if let Some(c) = self.conns.get_mut(slot) {
                c.choked = true;
            }
            // Full: another one of the pool may have room.
            let other = host.with(pool, |p| p.ready.clone())?;
            return other.into_iter().find(|slot| {
                let found = self.conns.get(*slot).filter(|c| !c.gone && !c.wire.broken);
                found.is_some_and(|c| match &c.role {
                    Role::Client(client) => match &client.codec {
                        Codec::Http2(codec) => !client.draining && takes_requests(&c.wire, codec),
                        Codec::Http1(_) => false,
                    },
                    _ => false,
                })
            });
        }
    }

    /// Gives waiting requests the connections that a pool has.
    pub(super) fn serve_pool(&mut self, host: &Rc<HostState>, pool: usize, cluster: ClusterId) {
        while let Some(key) = self.first_waiting(host, pool) {
            let Some(slot) = self.ready_connection(host, pool) else {
                self.dial_for_pool(host, pool, cluster);
                return;
            };
            host.with(pool, |p| p.waiting.pop_front());
            self.unpend(cluster);
            if let Some(s) = self.stream(key) {
                s.queued = false;
            }
            if !self.send_request(key, slot) {
                self.attempt_failed(key, Failure::Refused);
            }
        }
    }

    /// Who waits first; those before it that wait no more leave the queue.
    fn first_waiting(&mut self, host: &Rc<HostState>, pool: usize) -> Option<StreamKey> {
        loop {
            let streams = &mut self.streams;
            let next = host.with(pool, |p| {
                p.first(|key| live(streams, *key).is_some_and(|s| s.waits_for(host)))
            })??;
            match next {
                Next::Waits(key) => return Some(key),
                Next::Left => {}
            }
        }
    }

    /// Sends a request on a connection. Whether the connection took it.
    fn send_request(&mut self, key: StreamKey, slot: usize) -> bool {
        let now = self.now;
        let Some(s) = live(&mut self.streams, key) else {
            return true;
        };
        let Some(c) = self.conns.get_mut(slot) else {
            return false;
        };
        let Role::Client(client) = &mut c.role else {
            return false;
        };
        let end = s.to_up.end && s.to_up.bytes.is_empty() && s.to_up.trailers.is_none();
        if s.is_copy {
            mirror::say_source(&mut s.request, client.local);
        }
        if s.virtual_host
            .as_ref()
            .is_some_and(|v| v.include_attempt_count)
        {
            s.request
                .set(Known::XEnvoyAttemptCount, s.attempts.to_string().as_bytes());
        }
        if client.carries && end {
            carry::complete_request(&mut s.request);
        }
        if s.manager.filters.peer_metadata && !s.manager.is_inbound() {
            // To the mesh alone: who else gets a request need not know where it comes from.
            let remembers =
                matches!(&client.codec, Codec::Http2(codec) if codec.peer_extension().is_some());
            if client.host.host.workload.is_some() && !(remembers && client.introduced) {
                self.telemetry.introduce(&mut s.request);
                client.introduced = true;
            }
        }
        let place = match &mut client.codec {
            Codec::Http2(codec) => {
                let converted = s.upgrade.then(|| {
                    let mut converted = s.request.clone();
                    routing::hops::request_to_http2(&mut converted);
                    converted
                });
                let head: &Headers = converted.as_ref().unwrap_or(&s.request);
                match codec.open(head, end, key.slot) {
                    Ok(stream) => Place::Http2(stream),
                    Err(_) => {
                        client
                            .host
                            .with(client.pool, |p| p.ready.retain(|r| *r != slot));
                        return false;
                    }
                }
            }
            Codec::Http1(codec) => {
                // What follows a request to upgrade is content of the other protocol, once that is agreed on.
                let body = match s.upgrade {
                    true => http1::BodyLength::Empty,
                    false => length(&s.request, end),
                };
                if codec.send_request(&s.request, body).is_err() {
                    // Not the connection's fault: no other one would take it either.
                    client.host.with(client.pool, |p| p.ready.push(slot));
                    self.reply(
                        key,
                        400,
                        b"",
                        Flags::default(),
                        "request_not_representable_in_http1",
                    );
                    return true;
                }
                client.current = Some(key);
                Place::Http1
            }
        };
        client.requests = client.requests.saturating_add(1);
        let limit = self
            .graph
            .cluster(client.cluster)
            .map_or(0, |c| c.settings.max_requests_per_connection);
        let last = limit != 0 && client.requests >= limit;
        s.up = Some((slot, place));
        s.upstream_local = client.local;
        s.up_at = c.enlist(key);
        s.stage = Stage::Sent;
        s.sent_at = Some(now);
        s.to_up.done = end;
        s.clock.moved = now;
        if s.to_up.end {
            s.clock.attempt = after(now, s.timeouts.each);
        }
        if let Some(cluster) = &s.cluster {
            s.clock.longest_attempt = after(now, cluster.settings.max_stream_duration);
        }
        if s.clock.attempt.is_some() || s.clock.longest_attempt.is_some() {
            self.watch(key);
        }
        self.touch(slot);
        if last {
            self.retire(slot);
        }
        if !end {
            self.pump_up(key);
        }
        true
    }

    /// A connection takes no new requests.
    pub(super) fn leave_pool(&mut self, slot: usize) {
        let Some(Role::Client(client)) = self.conns.get_mut(slot).map(|c| &mut c.role) else {
            return;
        };
        client.draining = true;
        let (host, pool, cluster) = (client.host.clone(), client.pool, client.cluster);
        let waited_for = host.with(pool, |p| {
            p.ready.retain(|r| *r != slot);
            !p.waiting.is_empty()
        });
        if waited_for.unwrap_or_default() {
            self.todo.push_back(Todo::Pool(host, pool, cluster));
        }
    }

    /// A connection takes no new requests and ends with its last.
    pub(super) fn retire(&mut self, slot: usize) {
        self.leave_pool(slot);
        let Some(Role::Client(client)) = self.conns.get(slot).map(|c| &c.role) else {
            return;
        };
        if client.current.is_none() {
            self.end_if_left(slot);
        }
    }

    /// Ends a connection that takes no new requests once none is on it.
    pub(super) fn end_if_left(&mut self, slot: usize) {
        let over = self.conns.get(slot).is_some_and(|c| {
            c.streams.is_empty() && matches!(&c.role, Role::Client(client) if client.draining)
        });
        if over {
            self.uncount_connection(slot);
            self.close_soon(slot);
        }
    }

    /// A connection may take more requests than before.
    pub(super) fn room_in_pool(&mut self, slot: usize) {
        let Some(Role::Client(client)) = self.conns.get_mut(slot).map(|c| &mut c.role) else {
            return;
        };
        let (host, pool, cluster) = (client.host.clone(), client.pool, client.cluster);
        if !client.draining && matches!(client.codec, Codec::Http2(_)) {
            host.with(pool, |p| {
                if !p.ready.contains(&slot) {
                    p.ready.push(slot);
                }
            });
        }
        if host
            .with(pool, |p| !p.waiting.is_empty())
            .unwrap_or_default()
        {
            self.todo.push_back(Todo::Pool(host, pool, cluster));
        }
    }
}

/// Whether a connection is good for one more request: one whose endpoint does not read would only let it wait.
fn takes_requests(wire: &Wire, codec: &http2::Connection) -> bool {
    let stuck = wire.pending() > 0 && codec.output_len() >= ENOUGH_OUTPUT;
    codec.can_open() && !stuck
}
