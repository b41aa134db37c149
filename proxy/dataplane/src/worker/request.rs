//! The phases of a request before it goes anywhere: normalise, mark, route, check, rewrite.

use std::sync::Arc;
use std::time::Duration;

use accesslog::{Flags, Protocol};
use graph::manager::{HttpManager, Routes};
use graph::route::{Action, Forward, HostRewrite, Route, RouteTable};
use headers::{Headers, Known};
use routing::Normalized;
use routing::cors::Verdict;
use stats::HttpStat;

use super::telemetry::hear_of_peer;
use super::{Todo, Worker};
use crate::codec::Place;
use crate::conn::Role;
use crate::stream::clock::{Clock, after};
use crate::stream::{GrpcMessages, Pending, Stage, Stream, StreamKey, live};

/// Bytes of a request's body that are kept to send them again; a longer one is not retried (Envoy: the buffer limit).
pub(super) const REPLAY: usize = 64 << 10;

impl Worker {
    /// A request's head came: its fields are in `scratch`.
    pub(super) fn begin(
        &mut self,
        slot: usize,
        place: Place,
        protocol: Protocol,
    ) -> Option<StreamKey> {
        let random = self.random.next();
        let now = self.now;
        let c = self.conns.get_mut(slot)?;
        c.quiet_since = now;
        let Role::Server(server) = &mut c.role else {
            return None;
        };
        server.requests = server.requests.saturating_add(1);
        // A head that came in pieces began with its first byte.
        let started = server.head_since.take().unwrap_or(now);
        let limit = server.manager.max_requests_per_connection;
        let ending = self
            .draining
            .is_some_and(|inbound_only| !inbound_only || server.manager.is_inbound());
        let last = ending || limit != 0 && server.requests == limit;
        let (facts, manager) = (server.facts.clone(), server.manager.clone());
        let key = self.take_stream(slot, place, facts, manager, protocol, random)?;
        let place = self.conns.get_mut(slot)?.enlist(key);
        let s = self.streams.get_mut(key.slot as usize)?;
        s.down_at = place;
        s.started = started;
        s.clock.idle = s.manager.stream_idle_timeout;
        s.clock.moved = now;
        s.clock.request = after(started, s.manager.request_timeout);
        s.clock.longest = after(started, s.manager.max_stream_duration);
        if let Some((at, _)) = s.clock.next() {
            self.due_streams.by(key.slot as usize, at);
        }
        std::mem::swap(&mut s.request, &mut self.scratch);
        if let Some(http) = &s.facts.http {
            let http = http.of(self.thread);
            http.counter(HttpStat::DownstreamRqTotal).increment();
            http.gauge(HttpStat::DownstreamRqActive).add(1);
            let version = match protocol {
                Protocol::Http2 => HttpStat::DownstreamRqHttp2Total,
                _ => HttpStat::DownstreamRqHttp1Total,
            };
            http.counter(version).increment();
        }
        if s.manager.stats.is_some() && routing::is_grpc(&s.request) {
            s.grpc = Some(GrpcMessages::default());
        }
        if self.leaving.is_some() {
            self.leave_client(slot);
        } else if last {
            self.drain_conn(slot, None);
        }
        Some(key)
    }

    /// A slot for a request.
    pub(super) fn take_stream(
        &mut self,
        slot: usize,
        place: Place,
        facts: std::rc::Rc<crate::conn::Downstream>,
        manager: Arc<HttpManager>,
        protocol: Protocol,
        random: u64,
    ) -> Option<StreamKey> {
        let now = self.now;
        self.next_generation = self.next_generation.wrapping_add(1);
        let generation = self.next_generation;
        let slot = match self.free_streams.pop() {
            Some(free) => {
                let s = self.streams.get_mut(free as usize)?;
                s.reuse(slot, place, facts, manager, protocol, now, random);
                s.generation = generation;
                free
            }
            None => {
                let mut stream = Stream::new(slot, place, facts, manager, protocol, now, random);
                stream.generation = generation;
                u32::try_from(self.streams.insert(stream)).ok()?
            }
        };
        Some(StreamKey { slot, generation })
    }

    /// Decides what becomes of a request and begins it.
    pub(super) fn decide(&mut self, key: StreamKey) {
        let randoms: [u64; 5] = std::array::from_fn(|_| self.random.next());
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        let manager = s.manager.clone();
        s.is_head = s.request.get(Known::Method) == Some(b"HEAD");
        if s.protocol == Protocol::Http2 {
            s.upgrade = s.request.has(Known::Protocol);
            routing::hops::request_from_http2(&mut s.request);
        }
        if !manager.proxy_100_continue && routing::hops::expects_continue(&s.request) {
            s.request.remove(Known::Expect);
            self.go_on(key);
        }
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        if manager.filters.peer_metadata && manager.is_inbound() {
            hear_of_peer(s);
        }
        if !s.request.has(Known::Path) && s.request.get(Known::Method) != Some(b"CONNECT") {
            return self.reply(
                key,
                404,
                b"",
                Flags::NO_ROUTE_FOUND,
                "missing_path_rejected",
            );
        }
        let path = s.request.get(Known::Path);
        // An asterisk, say: nothing routes there.
        if path.is_some_and(|path| path.first() != Some(&b'/')) {
            return self.reply(key, 404, b"", Flags::default(), "absolute_path_rejected");
        }
        // CONNECT has none.
        match path.map_or(Normalized::Same, |path| {
            routing::normalize(path, rules(&manager))
        }) {
            Normalized::Same => {}
            Normalized::Changed(path) => s.request.set(Known::Path, &path),
            Normalized::Redirect(to) => {
                return self.redirect_to(key, 307, &to, "path_normalization_failed");
            }
            Normalized::Reject => {
                return self.reply(key, 400, b"", Flags::default(), "path_normalization_failed");
            }
        }
        let edge = mark(s, &manager, [randoms[0], randoms[1]]);
        let Some(table) = table(&self.graph, &manager) else {
            return self.reply(key, 404, b"", Flags::NO_ROUTE_FOUND, "route_not_found");
        };
        let facts = routing::Facts {
            random: randoms[2],
            client_certificate: s.facts.certificate.is_some(),
        };
        let Some(found) = routing::route(&table, &s.request, &facts) else {
            return self.reply(key, 404, b"", Flags::NO_ROUTE_FOUND, "route_not_found");
        };
        s.virtual_host = Some(found.virtual_host.clone());
        s.route = Some(found.route.clone());
        let (route, host, matched) = (
            found.route.clone(),
            found.virtual_host.clone(),
            found.matched,
        );
        if routing::needs_https(&host, &s.request) {
            let to = routing::https_redirect(&s.request);
            return self.redirect_to(key, to.status, &to.location, "direct_response");
        }
        if let Some(cors) = route.cors.as_ref().filter(|_| manager.filters.cors) {
            let mut answer = Headers::new();
            if routing::cors::judge(cors, &s.request, &mut answer) == Verdict::Answer {
                self.name_cluster(key, &route);
                return self.reply_with(key, 200, &answer, b"", Flags::default(), "cors_response");
            }
        }
        // Routes configure a filter that the manager has.
        let fault = manager
            .filters
            .fault
            .as_ref()
            .map(|own| route.fault.as_ref().unwrap_or(own));
        let injected = fault.map_or_else(routing::Injected::default, |fault| {
            routing::fault(fault, &s.request, [randoms[3], randoms[4]])
        });
        let delay = injected.delay.unwrap_or(Duration::ZERO);
        if let Some(abort) = injected.abort {
            self.name_cluster(key, &route);
            return self.abort(key, abort, delay);
        }
        match &route.action {
            Action::Respond { status, body } => {
                let body = body.clone();
                self.reply(key, *status, &body, Flags::default(), "direct_response");
            }
            Action::Redirect(redirect) => {
                let scheme = s.request.get(Known::Scheme).unwrap_or(b"http");
                let to = routing::redirect(&s.request, redirect, matched, scheme);
                self.redirect_to(key, to.status, &to.location, "direct_response");
            }
            Action::Forward(forward) => {
                self.forward(key, &table, &route, forward, matched, edge, delay);
            }
        }
    }

    /// Notes where a request that is answered here would have gone, for its log line.
    fn name_cluster(&mut self, key: StreamKey, route: &Route) {
        let graph = self.graph.clone();
        let (Some(s), Action::Forward(forward)) = (self.stream(key), &route.action) else {
            return;
        };
        let choice = routing::choose(&forward.target, &s.request, s.random, by_name(&graph));
        s.cluster = choice.cluster.and_then(|id| graph.cluster(id)).cloned();
    }

    /// Prepares a request for its cluster and queues it.
    #[allow(clippy::too_many_arguments)] // one phase of many; a struct would only rename its inputs
    fn forward(
        &mut self,
        key: StreamKey,
        table: &RouteTable,
        route: &Arc<Route>,
        forward: &Forward,
        matched: usize,
        edge: bool,
        delay: Duration,
    ) {
        let Forward { target, how } = forward;
        let graph = self.graph.clone();
        let (now, wall) = (self.now, self.wall);
        let Some(s) = self.stream(key) else { return };
        let manager = s.manager.clone();
        if s.upgrade {
            let name = s
                .request
                .get(Known::Upgrade)
                .unwrap_or_default()
                .to_ascii_lowercase();
            if !routing::upgrade_allowed(&manager, how, &name) {
                self.name_cluster(key, route);
                return self.reply(key, 403, b"", Flags::default(), "upgrade_failed");
            }
        }
        let choice = routing::choose(target, &s.request, s.random, by_name(&graph));
        let Some(cluster) = choice.cluster.and_then(|id| graph.cluster(id)).cloned() else {
            let status = how.cluster_not_found;
            return self.reply(
                key,
                status,
                b"",
                Flags::NO_CLUSTER_FOUND,
                "cluster_not_found",
            );
        };
        let timeouts = routing::timeout::request_timeouts(how, &s.request, !edge);
        let suppress = manager.filters.suppress_envoy_headers;
        routing::timeout::announce(&mut s.request, how, timeouts, suppress);
        let host = s.virtual_host.clone();
        // The most general level comes last and so wins, unless the table says otherwise.
        let mut levels = [
            choice.weighted.map(|w| &w.request),
            Some(&route.request),
            host.as_ref().map(|h| &h.request),
            Some(&table.request),
        ];
        if table.most_specific_wins {
            levels.reverse();
        }
        for level in levels.into_iter().flatten().filter(|l| !l.is_empty()) {
            // Values may name the request's own fields: they are read from what it was before this level.
            let mut request = s.request.clone();
            level.apply(&mut request, |template, out| {
                template.render(&s.entry(now, wall), out);
            });
            s.request = request;
        }
        routing::rewrite_path(&mut s.request, &how.path, matched, !suppress);
        let rewrite = choice.weighted.map_or(&how.host, |w| match w.host {
            HostRewrite::None => &how.host,
            _ => &w.host,
        });
        // The name of an endpoint is known when it is chosen.
        routing::rewrite_host(&mut s.request, rewrite, None, !suppress);
        s.takes_host_name = matches!(rewrite, HostRewrite::Auto);
        if !how.hash.is_empty() {
            let ends = [s.facts.source, s.facts.destination];
            let found = balance::request_hash(&how.hash, &s.request, s.client, ends);
            s.hash = found.hash;
            s.cookie = found.cookie;
        }
        s.cluster = Some(cluster);
        s.stage = Stage::Waiting;
        s.timeouts = timeouts;
        if let Some(policy) = &how.retry {
            s.asked = balance::Asked::take(policy, &mut s.request, !edge);
            s.replay = s.asked.retries().then(Vec::new);
        }
        s.times_of(how);
        if s.to_up.end {
            s.clock.whole = after(now + delay, timeouts.whole);
        }
        if delay.is_zero() {
            self.todo.push_back(Todo::Dispatch(key));
        } else {
            s.flags |= Flags::DELAY_INJECTED;
            s.clock.retry = Some(now + delay);
        }
        self.watch(key);
        if !how.mirrors.is_empty() {
            self.mirror(key, how, delay);
        }
    }
}

/// Finds clusters that requests name themselves.
fn by_name(graph: &graph::Graph) -> impl Fn(&[u8]) -> Option<graph::cluster::ClusterId> {
    |name| {
        let mut clusters = graph.clusters.iter().flatten();
        let found = clusters.find(|c| c.name.as_bytes() == name);
        found.map(|c| c.id)
    }
}

/// The route table of a manager.
fn table(graph: &graph::Graph, manager: &HttpManager) -> Option<Arc<RouteTable>> {
    match &manager.routes {
        Routes::Inline(table) => Some(table.clone()),
        Routes::Table(id) => graph.table(*id).cloned(),
    }
}

fn rules(manager: &HttpManager) -> routing::normalize::Rules {
    routing::normalize::Rules {
        normalize: manager.normalize_path,
        merge_slashes: manager.merge_slashes,
        escaped_slashes: manager.escaped_slashes,
    }
}

/// Writes what a proxy says of a request and where it came from. Whether it came from outside the mesh's edge.
fn mark(s: &mut Stream, manager: &HttpManager, random: [u64; 2]) -> bool {
    if s.protocol != Protocol::Http2 || s.upgrade {
        routing::hops::strip_request(&mut s.request);
    }
    let connection = routing::forwarded::Connection {
        remote: s.facts.source.ip(),
        own: s.facts.destination.ip(),
        tls: s.facts.tls,
    };
    let origin = routing::forwarded::mark(&mut s.request, manager, &connection);
    s.client = origin.client;
    routing::forwarded::set_scheme(&mut s.request, s.facts.tls);
    routing::xfcc::set(
        &mut s.request,
        manager.forward_client_cert,
        s.facts.client_cert_element.as_deref(),
    );
    routing::request_id::set(&mut s.request, manager, origin.edge, random);
    origin.edge
}

impl Stream {
    /// A request in a fresh slot.
    fn new(
        down: usize,
        down_place: Place,
        facts: std::rc::Rc<crate::conn::Downstream>,
        manager: Arc<HttpManager>,
        protocol: Protocol,
        started: std::time::Instant,
        random: u64,
    ) -> Self {
        let clock = Clock::new(started);
        Stream {
            generation: 0,
            live: true,
            down,
            down_place,
            down_at: 0,
            down_gone: false,
            up: None,
            up_at: 0,
            client: facts.source.ip(),
            facts,
            manager,
            protocol,
            started,
            clock,
            request: Headers::new(),
            response: Headers::new(),
            trailers: Headers::new(),
            virtual_host: None,
            route: None,
            cluster: None,
            host: None,
            upstream_local: None,
            stage: Stage::Local,
            to_up: Pending::default(),
            to_down: Pending::default(),
            replay: None,
            is_split: false,
            moves: 0,
            owed_down: 0,
            owed_up: 0,
            upgrade: false,
            is_head: false,
            status: 0,
            sent_at: None,
            attempts: 0,
            tried: Vec::new(),
            timeouts: routing::timeout::Timeouts::default(),
            bytes_received: 0,
            bytes_sent: 0,
            flags: Flags::default(),
            details: "".into(),
            failure: "".into(),
            random,
            counted: false,
            queued: false,
            pool: 0,
            retrying: false,
            has_trailers: false,
            head_sent: false,
            response_at: None,
            aborts: None,
            grpc_status: None,
            asked: balance::Asked::default(),
            grpc: None,
            takes_host_name: false,
            hash: None,
            cookie: None,
            copies: Vec::new(),
            is_copy: false,
        }
    }

    /// The next request in a slot that was used before: its lists keep their memory.
    #[allow(clippy::too_many_arguments)] // as `new`
    fn reuse(
        &mut self,
        down: usize,
        down_place: Place,
        facts: std::rc::Rc<crate::conn::Downstream>,
        manager: Arc<HttpManager>,
        protocol: Protocol,
        started: std::time::Instant,
        random: u64,
    ) {
        let mut fresh = Stream::new(down, down_place, facts, manager, protocol, started, random);
        for (new, old) in [
            (&mut fresh.request, &mut self.request),
            (&mut fresh.response, &mut self.response),
            (&mut fresh.trailers, &mut self.trailers),
        ] {
            std::mem::swap(new, old);
            new.clear();
        }
        for (new, old) in [
            (&mut fresh.to_up, &mut self.to_up),
            (&mut fresh.to_down, &mut self.to_down),
        ] {
            std::mem::swap(new, old);
            new.clear();
        }
        std::mem::swap(&mut fresh.tried, &mut self.tried);
        fresh.tried.clear();
        *self = fresh;
    }
}
