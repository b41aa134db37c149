//! Opening connections to endpoints: TCP, then TLS, then who it is.

use std::net::SocketAddr;
use std::rc::Rc;

use graph::cluster::{Cluster, ClusterId, UpstreamTransport};
use graph::tls::{Secured, UpstreamTls};
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use stats::ClusterStat;

use super::accept::conn;
use super::dispatch::Failure;
use super::{Worker, carry};
use crate::codec::Codec;
use crate::conn::{Client, Dial, Purpose, Role};
use crate::peer::Certificate;
use crate::stream::clock::after;
use crate::telemetry;
use crate::tls::Session;
use crate::upstream::host::{HostState, PoolKey};
use crate::upstream::source::Source;

/// Streams that one connection is expected to carry while its peer's SETTINGS are unknown.
const EXPECTED_STREAMS: usize = 100;
/// Bytes of one answer by HTTP/2 that may wait here because its client does not take them.
const ANSWER_WINDOW: u32 = 256 << 10;
/// Bytes of all answers on one connection that may be on their way. What waits here is not among them: answers that
/// nobody takes must not stop those of other clients on the same connection.
const ANSWERS_WINDOW: u32 = 16 << 20;

/// Bytes of an answer's head by HTTP/1 (Envoy's limit is not configurable).
const MAX_RESPONSE_HEAD: usize = 80 << 10;

impl Worker {
    /// Opens connections as long as those being opened do not suffice for who waits.
    pub(super) fn dial_for_pool(&mut self, host: &Rc<HostState>, pool: usize, cluster: ClusterId) {
        while let Some((waiting, dialing, open, key, carries)) = host.with(pool, |p| {
            let dialing = p.dialing as usize;
            (p.queue(), dialing, p.open, p.key, p.carries)
        }) {
            let Some(state) = self.cluster(cluster) else {
                return;
            };
            let asks = key.may_carry
                && carries.is_none()
                && matches!(transport(&state.cluster, host), UpstreamTransport::Tls(_));
            let each = match carries {
                // One connection asks for all who wait.
                _ if asks => usize::MAX,
                Some(true) => EXPECTED_STREAMS,
                _ if key.http2 => EXPECTED_STREAMS,
                _ => 1,
            };
            if waiting <= dialing.saturating_mul(each) {
                return;
            }
            // A pool that has no connection at all gets one beyond the bound, as in Envoy: else it would starve.
            let full = state.connections >= state.cluster.settings.limits.connections;
            if full && (dialing > 0 || open > 0) {
                return;
            }
            host.with(pool, |p| p.dialing += 1);
            if let Err(error) = self.dial(host, cluster, Purpose::Pool(pool), key.source) {
                self.pool_dial_failed(host, pool, cluster, &error);
            }
        }
    }

    /// Begins to open a connection.
    pub(super) fn dial(
        &mut self,
        host: &Rc<HostState>,
        id: ClusterId,
        purpose: Purpose,
        source: Option<Source>,
    ) -> Result<usize, String> {
        let thread = self.thread;
        let Some(state) = self.cluster(id) else {
            return Err("cluster_not_found".to_owned());
        };
        let cluster = state.cluster.clone();
        state.connections += 1;
        host.count(|counts| counts.connections += 1);
        let stats = state.metrics.of(thread);
        stats.counter(ClusterStat::UpstreamCxTotal).increment();
        stats.gauge(ClusterStat::UpstreamCxActive).add(1);
        let socket = match connect(host.host.address, &cluster, source) {
            Ok(socket) => socket,
            Err(error) => {
                host.count(|counts| counts.connect_failures += 1);
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
        if let Some(c) = self.conns.get_mut(slot) {
            c.opening = Some(self.now + cluster.settings.connect_timeout);
        }
        self.watch_conn(slot);
        Ok(slot)
    }

    pub(super) fn uncount(&mut self, id: ClusterId) {
        if let Some(state) = self.clusters.get_mut(id.index()).and_then(Option::as_mut) {
            state.connections = state.connections.saturating_sub(1);
            let stats = state.metrics.of(self.thread);
            stats.counter(ClusterStat::UpstreamCxDestroy).increment();
            stats.gauge(ClusterStat::UpstreamCxActive).subtract(1);
        }
    }

    /// An endpoint's connection is gone from its cluster's count.
    pub(super) fn uncount_connection(&mut self, slot: usize) {
        if let Some(Role::Client(client)) = self.conns.get(slot).map(|c| &c.role) {
            let id = client.cluster;
            client
                .host
                .with(client.pool, |p| p.open = p.open.saturating_sub(1));
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
            may_carry,
            ..
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
            Some(o) if may_carry => carry::offer(&o.http11),
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
            dial.host.is_called(
                leaf.as_ref()
                    .and_then(|leaf| leaf.uris.first().cloned())
                    .unwrap_or_default(),
            );
            if leaf.as_ref().is_some_and(|leaf| !leaf.holds_at(self.wall)) {
                let why = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:certificate has expired|";
                return self.dial_failed(slot, why);
            }
            if !leaf.is_some_and(|leaf| leaf.is_one_of(&tls.peers)) {
                let why = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify SAN list|";
                return self.dial_failed(slot, why);
            }
        }
        let local = c.wire.local();
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
            Purpose::Tunnel(down) => self.tunnel_open(slot, down, local),
            Purpose::Pool(pool) => {
                let asked = c.wire.tls.is_some();
                let agreed = carry::is_agreed(&c.wire);
                let by_key = host.with(pool, |p| {
                    p.carries = (p.key.may_carry && asked).then_some(agreed);
                    p.key.http2
                });
                let http2 = agreed || by_key.unwrap_or_default();
                let version = match http2 {
                    true => ClusterStat::UpstreamCxHttp2Total,
                    false => ClusterStat::UpstreamCxHttp1Total,
                };
                let codec = if http2 {
                    Codec::Http2(Box::new(http2::Connection::new(
                        http2::Role::Client,
                        http2_client(),
                    )))
                } else {
                    Codec::Http1(Box::new(http1::Connection::new(
                        http1::Role::Client,
                        http1::Config {
                            max_head_bytes: MAX_RESPONSE_HEAD,
                            ..http1::Config::default()
                        },
                    )))
                };
                c.role = Role::Client(Box::new(Client {
                    host: host.clone(),
                    cluster: id,
                    pool,
                    codec,
                    carries: agreed,
                    current: None,
                    requests: 0,
                    draining: false,
                    introduced: false,
                    local,
                    head_waits: false,
                }));
                c.quiet_since = now;
                c.expires = after(now, cluster.settings.max_connection_duration);
                self.count_cluster(id, version);
                host.with(pool, |p| {
                    p.dialing = p.dialing.saturating_sub(1);
                    p.open += 1;
                    p.ready.push(slot);
                });
                self.watch_conn(slot);
                self.touch(slot);
                self.serve_pool(&host, pool, id);
                if host.left.get() {
                    // The endpoint went while it was dialled: for those who waited, and no one after them.
                    self.retire(slot);
                }
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
        host.count(|counts| counts.connect_failures += 1);
        self.uncount(cluster);
        self.count_cluster(
            cluster,
            match why {
                "connection_timeout" => ClusterStat::UpstreamCxConnectTimeout,
                _ => ClusterStat::UpstreamCxConnectFail,
            },
        );
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
            p.left = 0;
            std::mem::take(&mut p.waiting)
        });
        for key in waiting.into_iter().flatten() {
            // One that is gone, or tries another endpoint by now, has nothing to do with this.
            let Some(s) = self.stream(key).filter(|s| s.waits_for(host)) else {
                continue;
            };
            s.queued = false;
            s.failure = why.to_owned().into();
            self.unpend(cluster);
            self.attempt_failed(key, Failure::Connect);
        }
    }

    pub(super) fn unpend(&mut self, cluster: ClusterId) {
        if let Some(state) = self
            .clusters
            .get_mut(cluster.index())
            .and_then(Option::as_mut)
        {
            state.pending = state.pending.saturating_sub(1);
            let stats = state.metrics.of(self.thread);
            stats
                .gauge(ClusterStat::UpstreamRqPendingActive)
                .subtract(1);
        }
    }
}

/// How bytes go to a host.
pub(super) fn transport<'c>(cluster: &'c Cluster, host: &HostState) -> &'c UpstreamTransport {
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
    source: Option<Source>,
) -> std::io::Result<TcpStream> {
    use socket2::{Domain, SockAddr, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &cluster.settings.keepalive {
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
    let own = cluster
        .settings
        .bind
        .filter(|b| b.is_ipv4() == address.is_ipv4());
    match (source, own) {
        (Some(source), _) => source.bind(&socket, address)?,
        (None, Some(own)) => socket.bind(&SockAddr::from(SocketAddr::new(own, 0)))?,
        (None, None) => {}
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
        initial_window: ANSWER_WINDOW,
        connection_window: ANSWERS_WINDOW,
        streams_wait_alone: true,
        extension: Some(telemetry::SETTING),
        max_header_list_size: 80 << 10,
        ..http2::Config::default()
    }
}
