//! Connections of bytes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use accesslog::Flags;
use graph::chain::TcpProxy;
use graph::cluster::ClusterId;
use stats::ClusterStat;

use super::Worker;
use crate::conn::{Downstream, Purpose, Record, Role, Tunnel};
use crate::stream::Queue;
use crate::stream::clock::after;

/// Bytes that wait for one half before the other is read no further.
const ENOUGH: usize = 64 << 10;

impl Worker {
    /// A client's connection of bytes begins: its cluster is chosen and an endpoint is dialled.
    pub(super) fn serve_tcp(&mut self, slot: usize, facts: Rc<Downstream>, proxy: &Arc<TcpProxy>) {
        let now = self.now;
        let random = self.random.next();
        let destination = facts.destination;
        let record = Record {
            facts,
            proxy: proxy.clone(),
            started: now,
            host: None,
            cluster: None,
            upstream_local: None,
            received: 0,
            sent: 0,
            flags: Flags::NONE,
            attempts: 0,
            failure: String::new(),
            reported: None,
        };
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.expires = after(now, proxy.max_connection_duration);
        // Read only once there is somewhere for the bytes to go.
        c.paused = true;
        c.left = std::mem::take(&mut c.wire.unread);
        if c.wire.tls.is_some() {
            // What is left there is not plaintext yet.
            c.wire.unread = std::mem::take(&mut c.left);
        }
        c.role = Role::Tunnel(Box::new(Tunnel {
            peer: None,
            waiting: Queue::default(),
            finish: false,
            record: Some(Box::new(record)),
        }));
        self.watch_conn(slot);
        self.dial_tunnel(slot, draw(proxy, random), destination);
    }

    fn dial_tunnel(&mut self, slot: usize, cluster: Option<ClusterId>, destination: SocketAddr) {
        let random = self.random.next();
        let hash = self
            .record_of(slot)
            .filter(|r| r.proxy.hashes_source)
            .map(|r| balance::source_hash(r.facts.source.ip()));
        let Some(state) = cluster.and_then(|id| self.cluster(id)) else {
            return self.end_tunnel(slot, Flags::NO_CLUSTER_FOUND);
        };
        let cluster = state.cluster.clone();
        let full = state.connections >= cluster.settings.limits.connections;
        let host = state.pick(destination, &[], random, hash);
        if let Some(record) = self.record_of(slot) {
            record.cluster = Some(cluster.clone());
            record.host.clone_from(&host);
            record.attempts += 1;
        }
        if full {
            return self.end_tunnel(slot, Flags::UPSTREAM_OVERFLOW);
        }
        let Some(host) = host else {
            return self.end_tunnel(slot, Flags::NO_HEALTHY_UPSTREAM);
        };
        let source = self.record_of(slot).and_then(|r| r.facts.kept_source);
        if let Err(error) = self.dial(&host, cluster.id, Purpose::Tunnel(slot), source) {
            self.tunnel_dial_failed(slot, &error);
        }
    }

    fn record_of(&mut self, slot: usize) -> Option<&mut Record> {
        match &mut self.conns.get_mut(slot)?.role {
            Role::Tunnel(tunnel) => tunnel.record.as_deref_mut(),
            _ => None,
        }
    }

    /// The endpoint's half is open.
    pub(super) fn tunnel_open(&mut self, slot: usize, down: usize, local: Option<SocketAddr>) {
        if let Some(record) = self.record_of(down) {
            record.upstream_local = local;
        } else {
            // The client left while its endpoint was dialled.
            self.close(slot);
            return;
        }
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.role = Role::Tunnel(Box::new(Tunnel {
            peer: Some(down),
            waiting: Queue::default(),
            finish: false,
            record: None,
        }));
        if let Some(Role::Tunnel(tunnel)) = self.conns.get_mut(down).map(|c| &mut c.role) {
            tunnel.peer = Some(slot);
        }
        if let Some(Role::Tunnel(tunnel)) = self.conns.get_mut(down).map(|c| &mut c.role)
            && let Some(record) = tunnel.record.as_deref_mut()
        {
            record.report(&self.telemetry, self.thread);
        }
        self.begin_reports();
        for half in [slot, down] {
            if let Some(c) = self.conns.get_mut(half) {
                c.quiet_since = self.now;
            }
        }
        self.watch_conn(down);
        self.resume(down);
    }

    /// No endpoint could be reached: once more, as often as the proxy says, else the client's half ends.
    pub(super) fn tunnel_dial_failed(&mut self, down: usize, why: &str) {
        let random = self.random.next();
        let Some(record) = self.record_of(down) else {
            return;
        };
        record.failure = why.to_owned();
        if record.attempts < record.proxy.max_connect_attempts {
            let (cluster, destination) = (draw(&record.proxy, random), record.facts.destination);
            return self.dial_tunnel(down, cluster, destination);
        }
        let flags = Flags::UPSTREAM_CONNECTION_FAILURE | Flags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        self.end_tunnel(down, flags);
    }

    /// Bytes came on one half. How many at the end were left for later.
    pub(super) fn on_tunnel_bytes(&mut self, slot: usize, bytes: &[u8]) -> usize {
        let Some(peer) = self.tunnel_peer(slot) else {
            // They came with the end of the handshake, and the endpoint is being dialled yet.
            return bytes.len();
        };
        self.count_tunnelled(slot, peer, bytes.len());
        let Some(c) = self.conns.get_mut(peer) else {
            return 0;
        };
        let Role::Tunnel(other) = &mut c.role else {
            return 0;
        };
        let sent = match other.waiting.is_empty() {
            true => c.wire.send(bytes, &mut self.sealed),
            false => 0,
        };
        let rest = bytes.get(sent..).unwrap_or_default();
        other.waiting.extend_from_slice(rest);
        self.after_tunnelled(slot, peer);
        0
    }

    fn tunnel_peer(&self, slot: usize) -> Option<usize> {
        match &self.conns.get(slot)?.role {
            Role::Tunnel(tunnel) => tunnel.peer,
            _ => None,
        }
    }

    fn count_tunnelled(&mut self, slot: usize, peer: usize, bytes: usize) {
        if let Some(record) = self.record_of(slot) {
            record.received += bytes as u64;
        } else if let Some(record) = self.record_of(peer) {
            record.sent += bytes as u64;
        }
    }

    /// Reading rests while enough waits for the other half.
    fn after_tunnelled(&mut self, slot: usize, peer: usize) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(peer) else {
            return;
        };
        c.quiet_since = now;
        let enough = c.tunnel_waits() >= ENOUGH;
        if enough && let Some(c) = self.conns.get_mut(slot) {
            c.paused = true;
        }
        self.touch(peer);
    }

    /// A half may take more.
    pub(super) fn on_tunnel_room(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Tunnel(tunnel) = &mut c.role else {
            return;
        };
        if !tunnel.waiting.is_empty() {
            let n = c.wire.send(&tunnel.waiting, &mut self.sealed);
            tunnel.waiting.take(n);
            if n > 0 {
                c.quiet_since = self.now;
                c.wire.flush();
            }
        }
        let (drained, peer) = (tunnel.waiting.is_empty(), tunnel.peer);
        let finish = tunnel.finish;
        let room = c.tunnel_waits() < ENOUGH;
        if drained && finish {
            c.wire.finish();
        }
        let over = c.wire.is_finished() && c.wire.ended;
        if c.wire.broken {
            return self.tunnel_gone(slot);
        }
        if room && let Some(peer) = peer {
            self.resume(peer);
        }
        if over {
            self.end_if_both_over(slot);
        }
    }

    /// One half sends no more: the other ends its direction after what waits.
    pub(super) fn on_tunnel_end(&mut self, slot: usize) {
        let Some(Role::Tunnel(tunnel)) = self.conns.get(slot).map(|c| &c.role) else {
            return;
        };
        let Some(peer) = tunnel.peer else {
            return self.tunnel_gone(slot);
        };
        if let Some(Role::Tunnel(other)) = self.conns.get_mut(peer).map(|c| &mut c.role) {
            other.finish = true;
        }
        self.touch(peer);
        self.end_if_both_over(slot);
    }

    fn end_if_both_over(&mut self, slot: usize) {
        let Some(Role::Tunnel(tunnel)) = self.conns.get(slot).map(|c| &c.role) else {
            return;
        };
        let over = |w: &Worker, at: usize| {
            w.conns
                .get(at)
                .is_none_or(|c| c.wire.ended && c.wire.is_finished())
        };
        let peer = tunnel.peer;
        if over(self, slot) && peer.is_none_or(|peer| over(self, peer)) {
            self.tunnel_gone(slot);
        }
    }

    /// The client's half has lived for long enough, or nothing has passed for too long.
    pub(super) fn tunnel_due(&mut self, slot: usize) {
        let now = self.now;
        let expired = self
            .conns
            .get(slot)
            .is_some_and(|c| c.expires.is_some_and(|at| at <= now));
        let flags = if expired {
            Flags::DURATION_TIMEOUT
        } else {
            Flags::NONE
        };
        self.end_tunnel(slot, flags);
    }

    /// A half is gone, and with it the other.
    pub(super) fn tunnel_gone(&mut self, slot: usize) {
        let Some(Role::Tunnel(tunnel)) = self.conns.get(slot).map(|c| &c.role) else {
            return;
        };
        match (tunnel.record.is_some(), tunnel.peer) {
            (true, _) => self.end_tunnel(slot, Flags::NONE),
            (false, Some(down)) => self.end_tunnel(down, Flags::NONE),
            (false, None) => self.close(slot),
        }
    }

    /// A half was reset: the other hears it so.
    pub(super) fn tunnel_reset(&mut self, slot: usize) {
        let Some(Role::Tunnel(tunnel)) = self.conns.get(slot).map(|c| &c.role) else {
            return;
        };
        let (of_client, peer) = (tunnel.record.is_some(), tunnel.peer);
        if let Some(c) = peer.and_then(|peer| self.conns.get_mut(peer)) {
            c.wire.abort = true;
            c.wire.broken = true;
        }
        match (of_client, peer) {
            (true, _) => self.end_tunnel(slot, Flags::NONE),
            (false, Some(down)) => self.end_tunnel(down, Flags::UPSTREAM_REMOTE_RESET),
            (false, None) => self.close(slot),
        }
    }

    /// Ends both halves and writes the client's line.
    fn end_tunnel(&mut self, down: usize, flags: Flags) {
        let Some(c) = self.conns.get_mut(down) else {
            return;
        };
        let Role::Tunnel(tunnel) = &mut c.role else {
            return;
        };
        let (peer, record) = (tunnel.peer.take(), tunnel.record.take());
        if peer.is_none() {
            // Bytes of the client that are lost, here or in the kernel: it is told.
            let in_kernel = matches!(c.wire.socket.peek(&mut [0]), Ok(1..));
            c.wire.abort = c.wire.tls.is_none() && (in_kernel || !c.left.is_empty());
        }
        self.close_soon(down);
        if let Some(peer) = peer {
            if let Some(Role::Tunnel(other)) = self.conns.get_mut(peer).map(|c| &mut c.role) {
                other.peer = None;
            }
            self.close_soon(peer);
        }
        let Some(mut record) = record else { return };
        record.flags |= flags;
        if let (Some(cluster), true) = (&record.cluster, peer.is_some())
            && let Some(state) = self
                .clusters
                .get_mut(cluster.id.index())
                .and_then(Option::as_mut)
        {
            state.connections = state.connections.saturating_sub(1);
            let stats = state.metrics.of(self.thread);
            stats.counter(ClusterStat::UpstreamCxDestroy).increment();
            stats.gauge(ClusterStat::UpstreamCxActive).subtract(1);
        }
        record.report_end(&self.telemetry, self.thread);
        let (now, wall) = (self.now, self.wall);
        let entry = record.entry(now, wall);
        let logs = record.proxy.access_logs.clone();
        self.log(&logs, &entry);
    }
}

/// The cluster of one connection, by weight.
fn draw(proxy: &TcpProxy, random: u64) -> Option<ClusterId> {
    let mut left = random % u64::from(proxy.total_weight.max(1));
    for (cluster, weight) in &proxy.clusters {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return Some(*cluster),
        }
    }
    None
}
