//! What is counted of requests and connections, and where.

use std::sync::Arc;
use std::time::{Duration, Instant};

use graph::cluster::{Cluster, ClusterId, UpstreamTransport};
use graph::manager::Reporter;
use graph::tls::Secured;
use headers::{Headers, Known};
use stats::istio::{self, Outcome, Protocol, Security, Traffic};
use stats::{ClusterStat, HttpStat, Share};

use super::Worker;
use super::dial::transport;
use crate::conn::{Record, Role};
use crate::stream::Stream;
use crate::telemetry::{Announced, Parties, Telemetry, as_peer};
use crate::timers::Timer;
use crate::upstream::host::HostState;

/// Between two reports of connections of bytes that go on (Istio's `tcp_reporting_duration`).
const TCP_REPORTS: Duration = Duration::from_secs(5);

impl Worker {
    /// This worker's numbers of a cluster that it has used.
    pub(super) fn cluster_stats(&self, id: ClusterId) -> Option<Share<'_, ClusterStat>> {
        let state = self.clusters.get(id.index())?.as_ref()?;
        Some(state.metrics.of(self.thread))
    }

    /// One more in a counter of a cluster.
    pub(super) fn count_cluster(&self, id: ClusterId, member: ClusterStat) {
        if let Some(stats) = self.cluster_stats(id) {
            stats.counter(member).increment();
        }
    }

    /// Reports bytes of connections that go on, and sees to it that it is done again.
    pub(super) fn report_tunnels(&mut self) {
        let (telemetry, thread) = (self.telemetry.clone(), self.thread);
        let mut any = false;
        for (_, c) in &mut self.conns {
            if let Role::Tunnel(tunnel) = &mut c.role
                && let Some(record) = tunnel.record.as_deref_mut()
                && !c.gone
            {
                any = true;
                record.report(&telemetry, thread);
            }
        }
        self.reporting = any;
        if any {
            self.timers.add(self.now + TCP_REPORTS, Timer::Report);
        }
    }

    /// Begins to report connections of bytes, unless that is done already.
    pub(super) fn begin_reports(&mut self) {
        if !self.reporting {
            self.reporting = true;
            self.timers.add(self.now + TCP_REPORTS, Timer::Report);
        }
    }
}

/// Counts a request that is over.
pub(super) fn count_request(telemetry: &Telemetry, thread: usize, s: &Stream, now: Instant) {
    let duration_ms = millis(now.saturating_duration_since(s.started));
    if let Some(http) = &s.facts.http {
        let http = http.of(thread);
        http.gauge(HttpStat::DownstreamRqActive).subtract(1);
        http.counter(HttpStat::DownstreamRqCompleted).increment();
        http.histogram(HttpStat::DownstreamRqTime)
            .record(duration_ms);
        if let Some(class) = class(s.status, HTTP_CLASSES) {
            http.counter(class).increment();
        }
    }
    let Some(traffic) = s
        .manager
        .stats
        .and_then(|reporter| traffic(telemetry, s, reporter))
    else {
        return;
    };
    let trailers = s.has_trailers.then_some(&s.trailers);
    let response = s.head_sent.then_some(&s.response);
    let grpc_status = s.grpc.is_some().then(|| {
        let of = |headers: &Headers| {
            std::str::from_utf8(headers.get(Known::GrpcStatus)?)
                .ok()?
                .parse()
                .ok()
        };
        trailers.and_then(of).or_else(|| response.and_then(of))
    });
    traffic.request(
        thread,
        &istio::Request {
            outcome: Outcome {
                response_code: s.status,
                flags: s.flags,
                grpc_status: grpc_status.flatten(),
            },
            duration_ms,
            request_bytes: s.bytes_received + bytes(&s.request),
            response_bytes: s.bytes_sent + response.map_or(0, bytes) + trailers.map_or(0, bytes),
        },
    );
    if let Some(grpc) = &s.grpc {
        traffic.messages(thread, grpc.requests.count, grpc.responses.count);
    }
}

/// Counts an answer's end, or an attempt's, at its cluster.
pub(super) fn count_answer(stats: &Share<'_, ClusterStat>, status: u16, took: Option<Duration>) {
    stats.counter(ClusterStat::UpstreamRqCompleted).increment();
    if let Some(class) = class(status, CLUSTER_CLASSES) {
        stats.counter(class).increment();
    }
    if let Some(took) = took {
        stats
            .histogram(ClusterStat::UpstreamRqTime)
            .record(millis(took));
    }
}

const HTTP_CLASSES: [HttpStat; 5] = [
    HttpStat::DownstreamRq1xx,
    HttpStat::DownstreamRq2xx,
    HttpStat::DownstreamRq3xx,
    HttpStat::DownstreamRq4xx,
    HttpStat::DownstreamRq5xx,
];

const CLUSTER_CLASSES: [ClusterStat; 5] = [
    ClusterStat::UpstreamRq1xx,
    ClusterStat::UpstreamRq2xx,
    ClusterStat::UpstreamRq3xx,
    ClusterStat::UpstreamRq4xx,
    ClusterStat::UpstreamRq5xx,
];

fn class<F: Copy>(status: u16, classes: [F; 5]) -> Option<F> {
    let at = usize::from(status / 100).checked_sub(1)?;
    classes.get(at).copied()
}

/// Bytes of a list of fields as Istio counts them: names and values.
fn bytes(headers: &Headers) -> u64 {
    headers.size().saturating_sub(32 * headers.len()) as u64
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The labels of a request.
fn traffic(telemetry: &Telemetry, s: &Stream, reporter: Reporter) -> Option<Arc<Traffic>> {
    let istio = telemetry.registry.istio();
    let protocol = match s.grpc {
        Some(_) => Protocol::Grpc,
        None => Protocol::Http,
    };
    let cluster = s.cluster.as_deref();
    let host = match (cluster.is_some_and(|c| !c.services.is_empty()), reporter) {
        // A server's proxy does not believe what a client calls its service.
        (true, _) | (_, Reporter::Destination) => "",
        (false, Reporter::Source) => authority(&s.request),
    };
    // Kept where they stay the same: with the endpoint, or with the client's connection.
    let kept = match (reporter, &s.host) {
        (Reporter::Source, Some(to)) => &to.labels,
        _ => &s.facts.labels,
    };
    let parties = || match reporter {
        Reporter::Source => outbound(telemetry, cluster, s.host.as_deref()),
        Reporter::Destination => inbound(telemetry, &s.facts),
    };
    let mut labels = kept.try_borrow_mut().ok()?;
    Some(labels.of(istio, cluster, protocol, host, parties))
}

/// Whom we speak to; `to` is none where no endpoint was found.
fn outbound(telemetry: &Telemetry, cluster: Option<&Cluster>, to: Option<&HostState>) -> Parties {
    let mut source = telemetry.own.clone();
    if let (Some(to), Some(cluster)) = (to, cluster)
        && let UpstreamTransport::Tls(Secured::Ready(tls)) = transport(cluster, to)
    {
        source.principal = (*tls.local_uri).into();
    }
    let principal = to
        .map(|to| to.principal.borrow().clone())
        .unwrap_or_default();
    Parties {
        reporter: istio::Reporter::Source,
        source,
        destination: as_peer(to.and_then(|to| to.host.workload.as_deref()), &principal),
        security: Security::Unknown,
    }
}

/// Who speaks to us.
fn inbound(telemetry: &Telemetry, facts: &crate::conn::Downstream) -> Parties {
    let announced = facts.peer.borrow();
    let mut source = announced
        .as_ref()
        .map(|peer| peer.workload.clone())
        .unwrap_or_default();
    let uri = facts.certificate.as_ref().and_then(|c| c.uris.first());
    source.principal = uri.map_or("", |u| u).into();
    let mut destination = telemetry.own.clone();
    if facts.tls {
        destination.principal = (*facts.local_uri).into();
    }
    Parties {
        reporter: istio::Reporter::Destination,
        source: source.as_peer(),
        destination,
        security: match facts.certificate {
            Some(_) => Security::MutualTls,
            None => Security::None,
        },
    }
}

/// The host that a client asked for; one that cannot be a host's name says nothing.
fn authority(request: &Headers) -> &str {
    const LONGEST: usize = 253 + 6;
    request
        .get(Known::Authority)
        .or_else(|| request.get(Known::Host))
        .filter(|host| host.len() <= LONGEST && host.is_ascii())
        .and_then(|host| std::str::from_utf8(host).ok())
        .unwrap_or_default()
}

/// Takes what a client's proxy says of its workload out of a request, and remembers it for the connection.
pub(super) fn hear_of_peer(s: &mut Stream) {
    let Some(words) = s.request.get(Known::XEnvoyPeerMetadata) else {
        return;
    };
    if let Ok(mut peer) = s.facts.peer.try_borrow_mut()
        && !peer
            .as_ref()
            .is_some_and(|peer| peer.is(words) || peer.is_settled())
    {
        let changes = peer.as_ref().map_or(0, Announced::next);
        *peer = Some(Announced::read(words, changes));
        if let Ok(mut labels) = s.facts.labels.try_borrow_mut() {
            labels.clear();
        }
    }
    s.request.remove(Known::XEnvoyPeerMetadata);
    s.request.remove(Known::XEnvoyPeerMetadataId);
}

impl Telemetry {
    /// Says of this proxy's workload to a peer what its metrics need.
    pub(super) fn introduce(&self, headers: &mut Headers) {
        headers.set(Known::XEnvoyPeerMetadataId, &self.node);
        headers.set(Known::XEnvoyPeerMetadata, &self.announcement);
    }
}

impl Record {
    /// Counts what came and went since it was counted last.
    pub(super) fn report(&mut self, telemetry: &Telemetry, thread: usize) {
        let Some(traffic) = self.traffic(telemetry) else {
            return;
        };
        let outcome = Outcome {
            flags: self.flags,
            ..Outcome::default()
        };
        if self.reported.is_none() {
            traffic.opened(thread, outcome);
        }
        let (sent, received) = self.reported.unwrap_or_default();
        traffic.bytes(thread, outcome, self.sent - sent, self.received - received);
        self.reported = Some((self.sent, self.received));
    }

    /// Counts the end.
    pub(super) fn report_end(&mut self, telemetry: &Telemetry, thread: usize) {
        self.report(telemetry, thread);
        if let Some(traffic) = self.traffic(telemetry) {
            let outcome = Outcome {
                flags: self.flags,
                ..Outcome::default()
            };
            traffic.closed(thread, outcome);
        }
    }

    fn traffic(&self, telemetry: &Telemetry) -> Option<Arc<Traffic>> {
        let istio = telemetry.registry.istio();
        let cluster = self.cluster.as_deref();
        let reporter = self.proxy.stats?;
        let parties = || match reporter {
            Reporter::Source => outbound(telemetry, cluster, self.host.as_deref()),
            Reporter::Destination => inbound(telemetry, &self.facts),
        };
        let mut labels = self.facts.labels.try_borrow_mut().ok()?;
        Some(labels.of(istio, cluster, Protocol::Tcp, "", parties))
    }
}
