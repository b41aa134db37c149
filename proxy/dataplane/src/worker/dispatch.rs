//! From a request that is ready to an endpoint's connection.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use accesslog::{Flags, Protocol};
use graph::cluster::{Cluster, ClusterId, UpstreamProtocol, UpstreamTransport};
use graph::tls::{Secured, UpstreamTls};
use headers::{Headers, Known};
use mio::net::TcpStream;
use rustls::pki_types::ServerName;

use super::accept::conn;
use super::{Todo, Worker};
use crate::codec::{Codec, Place, length};
use crate::conn::{Client, Dial, Purpose, Role};
use crate::peer::Certificate;
use crate::stream::{Stage, StreamKey};
use crate::timers::Timer;
use crate::tls::Session;
use crate::upstream::cluster::ClusterState;
use crate::upstream::host::{HostState, PoolKey};

/// Streams that one connection is expected to carry while its peer's SETTINGS are unknown.
const EXPECTED_STREAMS: usize = 100;

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
        self.graph.cluster(id)?;
        let at = id.index();
        if self.clusters.len() <= at {
            self.clusters.resize_with(at + 1, || None);
        }
        let random = self.random.next();
        let since = self.since_start();
        let newest = self.graph.cluster(id)?;
        let place = self.clusters.get_mut(at)?;
        let fresh = place.is_none();
        let state =
            place.get_or_insert_with(|| Box::new(ClusterState::new(newest.clone(), random, since)));
        if !Arc::ptr_eq(&state.cluster, newest) {
            state.update(newest, random, since);
        }
        if fresh && let Some(outlier) = newest.outlier {
            self.timers
                .add(self.now + outlier.interval, Timer::Outliers(id));
        }
        Some(state)
    }

    /// Finds an endpoint and a connection for a request.
    pub(super) fn dispatch(&mut self, key: StreamKey) {
        let now = self.now;
        let random = self.random.next();
        let Some(s) = self
            .stream(key)
            .filter(|s| s.stage == Stage::Waiting && s.up.is_none())
        else {
            return;
        };
        let Some(cluster) = s.cluster.clone() else {
            return;
        };
        let destination = s.facts.destination;
        let http2 = match cluster.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Downstream => s.protocol == Protocol::Http2,
        };
        let pool_key = PoolKey {
            http2,
            overridden: s.manager.filters.alpn.is_some(),
        };
        let tried = if s.attempts > 0 {
            s.tried.clone()
        } else {
            Vec::new()
        };
        let Some(state) = self.cluster(cluster.id) else {
            return self.reply(key, 503, b"", Flags::NO_CLUSTER_FOUND, "cluster_not_found");
        };
        let cluster = state.cluster.clone();
        if state.requests >= cluster.limits.requests {
            return self.overflow(key);
        }
        let Some(host) = state.pick(destination, &tried, random) else {
            return self.reply(
                key,
                503,
                b"no healthy upstream",
                Flags::NO_HEALTHY_UPSTREAM,
                "no_healthy_upstream",
            );
        };
        state.requests += 1;
        host.active.set(host.active.get() + 1);
        let Some(s) = self.stream(key) else { return };
        s.attempts += 1;
        s.tried.push(host.host.address);
        s.host = Some(host.clone());
        s.cluster = Some(cluster.clone());
        s.counted = true;
        let each = s.timeouts.each;
        let attempt = s.attempts;
        if !each.is_zero() {
            self.timers.add(now + each, Timer::Attempt(key, attempt));
        }
        let pool = host.pool(pool_key);
        while let Some(slot) = self.ready_connection(&host, pool) {
            if self.send_request(key, slot) {
                return;
            }
        }
        let pending = self.cluster(cluster.id).map_or(0, |c| c.pending);
        if pending >= cluster.limits.pending {
            return self.overflow(key);
        }
        host.with(pool, |p| p.waiting.push_back(key));
        if let Some(state) = self.cluster(cluster.id) {
            state.pending += 1;
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
                .map(|c| &c.role)
            {
                Some(Role::Client(client)) if !client.draining => match &client.codec {
                    Codec::Http2(codec) => codec.can_open(),
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
            // Full: another one of the pool may have room.
            let other = host.with(pool, |p| p.ready.clone())?;
            return other.into_iter().find(|slot| {
                matches!(
                    self.conns.get(*slot).filter(|c| !c.gone && !c.wire.broken).map(|c| &c.role),
                    Some(Role::Client(client))
                        if !client.draining && matches!(&client.codec, Codec::Http2(codec) if codec.can_open())
                )
            });
        }
    }

    /// Opens a connection if those being opened do not suffice for who waits.
    fn dial_for_pool(&mut self, host: &Rc<HostState>, pool: usize, cluster: ClusterId) {
        let Some((waiting, dialing, http2)) =
            host.with(pool, |p| (p.waiting.len(), p.dialing as usize, p.key.http2))
        else {
            return;
        };
        let each = if http2 { EXPECTED_STREAMS } else { 1 };
        if waiting <= dialing * each {
            return;
        }
        let Some(state) = self.cluster(cluster) else {
            return;
        };
        if state.connections >= state.cluster.limits.connections && dialing > 0 {
            return;
        }
        host.with(pool, |p| p.dialing += 1);
        if let Err(error) = self.dial(host, cluster, Purpose::Pool(pool), None) {
            self.pool_dial_failed(host, pool, cluster, &error);
        }
    }

    /// Begins to open a connection.
    pub(super) fn dial(
        &mut self,
        host: &Rc<HostState>,
        id: ClusterId,
        purpose: Purpose,
        source: Option<SocketAddr>,
    ) -> Result<usize, String> {
        let Some(state) = self.cluster(id) else {
            return Err("cluster_not_found".to_owned());
        };
        let cluster = state.cluster.clone();
        state.connections += 1;
        let socket = match connect(host.host.address, &cluster, source) {
            Ok(socket) => socket,
            Err(error) => {
                self.uncount(id);
                return Err(error.to_string());
            }
        };
        let number = self.number();
        let role = Role::Dialing(Box::new(Dial {
            host: host.clone(),
            cluster: id,
            purpose,
            connected: false,
        }));
        let Some(slot) = self.register(socket, number, |wire, now| conn(wire, role, number, now))
        else {
            self.uncount(id);
            return Err("cannot be watched".to_owned());
        };
        self.timers.add(
            self.now + cluster.connect_timeout,
            Timer::Opening(slot, number),
        );
        Ok(slot)
    }

    fn uncount(&mut self, id: ClusterId) {
        if let Some(state) = self.clusters.get_mut(id.index()).and_then(Option::as_mut) {
            state.connections = state.connections.saturating_sub(1);
        }
    }

    /// An endpoint's connection is gone from its cluster's count.
    pub(super) fn uncount_connection(&mut self, slot: usize) {
        if let Some(Role::Client(client)) = self.conns.get(slot).map(|c| &c.role) {
            let id = client.cluster;
            self.uncount(id);
        }
    }

    /// A socket that is being connected became writable. Whether that was all there was to it.
    pub(super) fn connect_done(&mut self, slot: usize) -> bool {
        let Some(c) = self.conns.get_mut(slot) else {
            return true;
        };
        let Role::Dialing(dial) = &mut c.role else {
            return false;
        };
        if dial.connected {
            return false;
        }
        match c.wire.socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => {
                self.dial_failed(slot, &transport_failure(&error));
                return true;
            }
        }
        if c.wire.socket.peer_addr().is_err() {
            // Not there yet: another edge will come.
            return true;
        }
        dial.connected = true;
        let (host, id) = (dial.host.clone(), dial.cluster);
        let key = match &dial.purpose {
            Purpose::Pool(pool) => host.with(*pool, |p| p.key),
            Purpose::Tunnel(_) => None,
        };
        let Some(cluster) = self.graph.cluster(id).cloned() else {
            self.dial_failed(slot, "cluster_not_found");
            return true;
        };
        match transport(&cluster, &host) {
            UpstreamTransport::Raw => self.dialed(slot),
            UpstreamTransport::Tls(Secured::Waiting) => {
                self.dial_failed(slot, "TLS_error:|secret is not supplied by SDS|")
            }
            UpstreamTransport::Tls(Secured::Ready(tls)) => {
                let alpn = self.offered(tls, key, slot);
                let session = session(tls, alpn, &host);
                let Some(c) = self.conns.get_mut(slot) else {
                    return true;
                };
                match session {
                    Ok(mut session) => {
                        let (_, begun) = session.receive(&mut [], c.wire.outgoing(), |_| {});
                        c.wire.tls = Some(Box::new(session));
                        c.wire.open = false;
                        match begun {
                            Ok(_) => self.touch(slot),
                            Err(error) => self.dial_failed(slot, &format!("TLS_error:|{error}|")),
                        }
                    }
                    Err(error) => self.dial_failed(slot, &format!("TLS_error:|{error}|")),
                }
            }
        }
        if self
            .conns
            .get(slot)
            .is_some_and(|c| c.wire.readable && !c.gone)
        {
            self.on_readable(slot);
        }
        true
    }

    /// The protocols offered: as the listener's filter overrides them, else as the cluster has them.
    fn offered(&self, tls: &UpstreamTls, key: Option<PoolKey>, slot: usize) -> Vec<Vec<u8>> {
        let Some(PoolKey {
            http2,
            overridden: true,
        }) = key
        else {
            return tls.alpn.to_vec();
        };
        let Some(Role::Dialing(dial)) = self.conns.get(slot).map(|c| &c.role) else {
            return tls.alpn.to_vec();
        };
        let Purpose::Pool(pool) = dial.purpose else {
            return tls.alpn.to_vec();
        };
        // Who waits knows the filter; a pool is only dialled for someone.
        let waiting = dial
            .host
            .with(pool, |p| p.waiting.iter().copied().collect::<Vec<_>>())
            .unwrap_or_default();
        let overrides = waiting.iter().find_map(|key| {
            let s = self
                .streams
                .get(key.slot as usize)
                .filter(|s| s.live && s.generation == key.generation)?;
            s.manager.filters.alpn.clone()
        });
        match overrides {
            Some(o) if http2 => o.http2.to_vec(),
            Some(o) => o.http11.to_vec(),
            None => tls.alpn.to_vec(),
        }
    }

    /// A connection to an endpoint is open.
    pub(super) fn dialed(&mut self, slot: usize) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Dialing(dial) = &c.role else { return };
        let Some(cluster) = self.graph.cluster(dial.cluster).cloned() else {
            return self.dial_failed(slot, "cluster_not_found");
        };
        if let UpstreamTransport::Tls(Secured::Ready(tls)) = transport(&cluster, &dial.host)
            && let Some(session) = &c.wire.tls
        {
            let leaf = session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .and_then(Certificate::read);
            if !leaf.is_some_and(|leaf| leaf.is_one_of(&tls.peers)) {
                let why = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify SAN list|";
                return self.dial_failed(slot, why);
            }
        }
        let local = c.wire.local();
        let number = c.number;
        let Role::Dialing(dial) = std::mem::replace(&mut c.role, Role::Closing) else {
            return;
        };
        let Dial {
            host,
            cluster: id,
            purpose,
            ..
        } = *dial;
        match purpose {
            Purpose::Tunnel(down) => self.tunnel_open(slot, down, &host, local),
            Purpose::Pool(pool) => {
                let http2 = host.with(pool, |p| p.key.http2).unwrap_or_default();
                let codec = if http2 {
                    Codec::Http2(Box::new(http2::Connection::new(
                        http2::Role::Client,
                        http2_client(),
                    )))
                } else {
                    Codec::Http1(Box::new(http1::Connection::new(
                        http1::Role::Client,
                        http1::Config::default(),
                    )))
                };
                c.role = Role::Client(Box::new(Client {
                    host: host.clone(),
                    cluster: id,
                    pool,
                    codec,
                    current: None,
                    requests: 0,
                    draining: false,
                    local,
                    head_waits: false,
                }));
                c.quiet_since = now;
                host.with(pool, |p| {
                    p.dialing = p.dialing.saturating_sub(1);
                    p.ready.push(slot);
                });
                if !cluster.idle_timeout.is_zero() {
                    self.timers
                        .add(now + cluster.idle_timeout, Timer::Idle(slot, number));
                }
                self.touch(slot);
                self.serve_pool(&host, pool, id);
            }
        }
    }

    /// A connection could not be opened.
    pub(super) fn dial_failed(&mut self, slot: usize, why: &str) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Dialing(dial) = std::mem::replace(&mut c.role, Role::Closing) else {
            return;
        };
        let Dial {
            host,
            cluster,
            purpose,
            ..
        } = *dial;
        self.uncount(cluster);
        self.close_soon(slot);
        match purpose {
            Purpose::Pool(pool) => self.pool_dial_failed(&host, pool, cluster, why),
            Purpose::Tunnel(down) => self.tunnel_dial_failed(down, why),
        }
    }

    /// All that waited for a connection that could not be opened fail with it, as in Envoy.
    fn pool_dial_failed(
        &mut self,
        host: &Rc<HostState>,
        pool: usize,
        cluster: ClusterId,
        why: &str,
    ) {
        let waiting = host.with(pool, |p| {
            p.dialing = p.dialing.saturating_sub(1);
            std::mem::take(&mut p.waiting)
        });
        for key in waiting.into_iter().flatten() {
            self.unpend(cluster);
            if let Some(s) = self.stream(key) {
                s.failure = why.to_owned().into();
            }
            self.attempt_failed(key, Failure::Connect);
        }
    }

    fn unpend(&mut self, cluster: ClusterId) {
        if let Some(state) = self
            .clusters
            .get_mut(cluster.index())
            .and_then(Option::as_mut)
        {
            state.pending = state.pending.saturating_sub(1);
        }
    }

    /// Gives waiting requests the connections that a pool has.
    pub(super) fn serve_pool(&mut self, host: &Rc<HostState>, pool: usize, cluster: ClusterId) {
        while host
            .with(pool, |p| !p.waiting.is_empty())
            .unwrap_or_default()
        {
            let Some(slot) = self.ready_connection(host, pool) else {
                self.dial_for_pool(host, pool, cluster);
                return;
            };
            let Some(Some(key)) = host.with(pool, |p| p.waiting.pop_front()) else {
                return;
            };
            self.unpend(cluster);
            let wanted = self
                .stream(key)
                .is_some_and(|s| s.stage == Stage::Waiting && s.up.is_none());
            if !wanted {
                self.give_back(host, pool, slot);
                continue;
            }
            if !self.send_request(key, slot) {
                self.attempt_failed(key, Failure::Refused);
            }
        }
    }

    /// An HTTP/1 connection that was taken for a request that is no more.
    fn give_back(&mut self, host: &Rc<HostState>, pool: usize, slot: usize) {
        let http1 = matches!(
            self.conns.get(slot).map(|c| &c.role),
            Some(Role::Client(client)) if matches!(client.codec, Codec::Http1(_))
        );
        if http1 {
            host.with(pool, |p| p.ready.push(slot));
        }
    }

    /// Sends a request on a connection. Whether the connection took it.
    fn send_request(&mut self, key: StreamKey, slot: usize) -> bool {
        let now = self.now;
        let Some(s) = self
            .streams
            .get_mut(key.slot as usize)
            .filter(|s| s.live && s.generation == key.generation)
        else {
            return true;
        };
        let Some(c) = self.conns.get_mut(slot) else {
            return false;
        };
        let Role::Client(client) = &mut c.role else {
            return false;
        };
        let end = s.to_up.end && s.to_up.bytes.is_empty() && s.to_up.trailers.is_none();
        if s.virtual_host
            .as_ref()
            .is_some_and(|v| v.include_attempt_count)
        {
            s.request
                .set(Known::XEnvoyAttemptCount, s.attempts.to_string().as_bytes());
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
                if codec
                    .send_request(&s.request, length(&s.request, end))
                    .is_err()
                {
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
            .map_or(0, |c| c.max_requests_per_connection);
        let last = limit != 0 && client.requests >= limit;
        s.up = Some((slot, place));
        s.upstream_local = client.local;
        s.stage = Stage::Sent;
        s.sent_at = Some(now);
        s.to_up.done = end;
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
    pub(super) fn retire(&mut self, slot: usize) {
        let Some(Role::Client(client)) = self.conns.get_mut(slot).map(|c| &mut c.role) else {
            return;
        };
        client.draining = true;
        let (host, pool, cluster) = (client.host.clone(), client.pool, client.cluster);
        let empty = client.current.is_none()
            && !matches!(&client.codec, Codec::Http2(codec) if codec.active_streams() > 0);
        host.with(pool, |p| p.ready.retain(|r| *r != slot));
        if host
            .with(pool, |p| !p.waiting.is_empty())
            .unwrap_or_default()
        {
            self.todo.push_back(Todo::Pool(host, pool, cluster));
        }
        if empty
            && !self
                .conns
                .get(slot)
                .is_some_and(|c| c.gone || c.wire.broken)
        {
            self.uncount(cluster);
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

/// How bytes go to a host.
fn transport<'c>(cluster: &'c Cluster, host: &HostState) -> &'c UpstreamTransport {
    const RAW: &UpstreamTransport = &UpstreamTransport::Raw;
    let at = usize::from(host.host.transport);
    cluster
        .transports
        .get(at)
        .or_else(|| cluster.transports.first())
        .unwrap_or(RAW)
}

fn session(
    tls: &UpstreamTls,
    alpn: Vec<Vec<u8>>,
    host: &HostState,
) -> Result<Session, rustls::Error> {
    let by_address = || ServerName::IpAddress(host.host.address.ip().into());
    let name = match &tls.sni {
        // Istio's names (`outbound_.80_._.reviews.default.svc.cluster.local`) have underscores, which DNS names may.
        Some(sni) => ServerName::try_from(sni.to_string()).unwrap_or_else(|_| by_address()),
        None => by_address(),
    };
    Session::client(&tls.config, name, alpn)
}

/// Begins to connect.
fn connect(
    address: SocketAddr,
    cluster: &Cluster,
    source: Option<SocketAddr>,
) -> std::io::Result<TcpStream> {
    use socket2::{Domain, SockAddr, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &cluster.keepalive {
        let mut settings = socket2::TcpKeepalive::new();
        if let Some(time) = keepalive.time {
            settings = settings.with_time(time);
        }
        if let Some(interval) = keepalive.interval {
            settings = settings.with_interval(interval);
        }
        if let Some(probes) = keepalive.probes {
            settings = settings.with_retries(probes);
        }
        socket.set_tcp_keepalive(&settings)?;
    }
    let bound = source.or(cluster.bind.map(|ip| SocketAddr::new(ip, 0)));
    if let Some(bound) = bound.filter(|b| b.is_ipv4() == address.is_ipv4()) {
        socket.bind(&SockAddr::from(bound))?;
    }
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => {}
        Err(e) if e.raw_os_error() == Some(115) || e.kind() == std::io::ErrorKind::WouldBlock => {}
        Err(e) => return Err(e),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// What Envoy says of a failed connect.
fn transport_failure(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            "delayed connect error: Connection refused".to_owned()
        }
        _ => format!("delayed connect error: {error}"),
    }
}

fn http2_client() -> http2::Config {
    http2::Config {
        initial_window: 1 << 20,
        connection_window: 16 << 20,
        ..http2::Config::default()
    }
}
