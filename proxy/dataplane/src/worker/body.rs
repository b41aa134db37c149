//! Bodies on their way, both ways, no faster than who takes them.

use std::borrow::Cow;

use graph::route::{Action, Target};
use headers::{Headers, Known};
use http2::ErrorCode;

use super::dispatch::Failure;
use super::request::REPLAY;
use super::telemetry::millis;
use super::{Todo, Worker, carry};
use crate::codec::Place;
use crate::conn::Role;
use crate::stream::{Stage, Stream, StreamKey, live};

impl Worker {
    /// A part of a request's body came.
    pub(super) fn on_request_data(&mut self, key: StreamKey, bytes: &[u8], end: bool) {
        let now = self.now;
        let Some(s) = self.stream(key) else { return };
        s.clock.moved = now;
        s.bytes_received += bytes.len() as u64;
        if let Some(grpc) = &mut s.grpc {
            grpc.requests.pass(bytes);
        }
        if end && !s.to_up.end {
            s.to_up.end = true;
            self.request_ended(key);
        }
        let Some(s) = self.stream(key) else { return };
        let (down, place) = (s.down, s.down_place);
        if s.stage == Stage::Local {
            // Answered here: the rest is taken and dropped.
            self.release_on(down, place, bytes.len());
            self.finish_if_done(key);
            return;
        }
        if let Some(replay) = &mut s.replay {
            if replay.len() + bytes.len() > REPLAY {
                s.replay = None;
                s.is_split = true;
            } else {
                replay.extend_from_slice(bytes);
            }
        }
        s.owed_down += bytes.len();
        s.to_up.bytes.extend_from_slice(bytes);
        if !s.copies.is_empty() {
            self.mirror_data(key, bytes, end);
        }
        self.pump_up(key);
    }

    /// The trailers of a request came; `end`: with its end.
    pub(super) fn on_request_trailers(
        &mut self,
        key: StreamKey,
        trailers: Box<Headers>,
        end: bool,
    ) {
        self.mirror_trailers(key, &trailers, end);
        let Some(s) = self.stream(key) else { return };
        s.to_up.trailers = Some(trailers);
        s.to_up.end |= end;
        s.is_split |= s.replay.take().is_some_and(|kept| *kept != *s.to_up.bytes);
    }

    /// Sends on what of a request's body can go.
    pub(super) fn pump_up(&mut self, key: StreamKey) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        let Some((up, place)) = s.up.filter(|_| !s.to_up.done) else {
            return;
        };
        let Some(c) = self.conns.get_mut(up) else {
            return;
        };
        let Role::Client(client) = &mut c.role else {
            return;
        };
        let end = s.to_up.end && s.to_up.trailers.is_none();
        let mut moved = false;
        if !s.to_up.bytes.is_empty() || end {
            let taken = client.codec.data(place, &s.to_up.bytes, end);
            let all = taken == s.to_up.bytes.len();
            s.to_up.bytes.take(taken);
            s.is_split |= taken > 0 && s.replay.is_none();
            s.to_up.done = end && all;
            if taken > 0 {
                s.clock.moved = self.now;
            }
            moved |= taken > 0 || s.to_up.done;
            let full = matches!(place, Place::Http2(_)) && client.codec.is_full();
            if !all && full && !c.held.contains(&key) {
                c.held.push(key);
            }
        }
        if s.to_up.bytes.is_empty()
            && !s.to_up.done
            && let Some(trailers) = s.to_up.trailers.take()
        {
            client.codec.trailers(place, &trailers);
            s.to_up.done = true;
            s.is_split = true;
            moved = true;
        }
        // What stays behind stays owed.
        let gone = s.owed_down.saturating_sub(s.to_up.bytes.len());
        s.owed_down -= gone;
        let (down, down_place, empty) = (s.down, s.down_place, s.to_up.bytes.is_empty());
        // What did not move waits for a window, or for what is being written already.
        if moved {
            self.touch(up);
        }
        self.release_on(down, down_place, gone);
        if empty {
            self.resume(down);
        }
        self.finish_if_done(key);
    }

    /// An answer before the answer.
    pub(super) fn on_informational(&mut self, key: StreamKey) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        s.clock.moved = self.now;
        let (down, place) = (s.down, s.down_place);
        // Who waits for 100 has had it from here.
        let needless =
            !s.manager.proxy_100_continue && self.scratch.get(Known::Status) == Some(b"100");
        if s.down_gone || s.stage != Stage::Sent || needless {
            return;
        }
        if let Some(Role::Server(server)) = self.conns.get_mut(down).map(|c| &mut c.role) {
            server.codec.inform(place, &self.scratch);
        }
        self.touch(down);
    }

    /// The head of an answer came: it is in `scratch`.
    pub(super) fn on_answer(&mut self, key: StreamKey, end: bool) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        if s.stage != Stage::Sent {
            return;
        }
        s.clock.moved = self.now;
        std::mem::swap(&mut s.response, &mut self.scratch);
        if let Some((_, Place::Http2(_))) = s.up {
            let protocol = s
                .upgrade
                .then(|| s.request.get(Known::Upgrade).unwrap_or_default().to_vec());
            routing::hops::response_from_http2(&mut s.response, protocol.as_deref());
        }
        let status = s
            .response
            .get(Known::Status)
            .and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        let Some(status) = status else {
            return self.attempt_failed(key, Failure::Protocol);
        };
        s.status = status;
        if status == 101 && matches!(s.up, Some((_, Place::Http1))) {
            // As of the request: the codec has taken it for itself.
            s.response.set(Known::Connection, b"upgrade");
        }
        if end {
            s.to_down.end = true;
        }
        if self.retry_after_answer(key) {
            return;
        }
        let (now, wall) = (self.now, self.wall);
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        s.stage = Stage::Answering;
        if s.is_copy {
            if end {
                self.finish(key);
            }
            return;
        }
        s.details = Cow::Borrowed("via_upstream");
        s.response_at = Some(now);
        if !s.response.has(Known::Date) {
            s.response.push_known(Known::Date, self.date.at(wall));
        }
        prepare(s, now, wall);
        self.send_answer(key);
    }

    /// A part of an answer's body came.
    pub(super) fn on_answer_data(&mut self, key: StreamKey, bytes: &[u8], end: bool) {
        let now = self.now;
        let Some(s) = self.stream(key) else { return };
        s.clock.moved = now;
        if s.stage != Stage::Answering || s.is_copy {
            s.to_down.end |= end;
            let over = s.is_copy && end;
            if let Some((up, place)) = s.up {
                self.release_on(up, place, bytes.len());
            }
            if over {
                self.finish(key);
            }
            return;
        }
        if let Some(grpc) = &mut s.grpc {
            grpc.responses.pass(bytes);
        }
        s.owed_up += bytes.len();
        s.to_down.bytes.extend_from_slice(bytes);
        s.to_down.end |= end;
        self.pump_down(key);
    }

    /// The trailers of an answer came: they are in `scratch`.
    pub(super) fn on_answer_trailers(&mut self, key: StreamKey) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        if s.stage != Stage::Answering {
            return;
        }
        s.clock.moved = self.now;
        s.to_down.end = true;
        if s.is_copy {
            return self.finish(key);
        }
        std::mem::swap(&mut s.trailers, &mut self.scratch);
        s.has_trailers = true;
        self.pump_down(key);
    }

    /// Sends the head of an answer and what of its body there is.
    pub(super) fn send_answer(&mut self, key: StreamKey) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        let (down, place) = (s.down, s.down_place);
        if s.down_gone {
            return self.finish_if_done(key);
        }
        s.clock.request = None;
        let end = s.to_down.end && s.to_down.bytes.is_empty() && !s.has_trailers;
        if let Some(Role::Server(server)) = self.conns.get_mut(down).map(|c| &mut c.role) {
            if server.carries && end {
                carry::complete_answer(&mut s.response, s.status, s.is_head);
            }
            let converted = (s.upgrade && place != Place::Http1).then(|| {
                let mut converted = s.response.clone();
                routing::hops::response_to_http2(&mut converted);
                converted
            });
            let head: &Headers = converted.as_ref().unwrap_or(&s.response);
            s.head_sent = server.codec.respond(place, head, end);
            s.to_down.done = end;
        }
        if s.upgrade {
            // Both codecs waited for the decision: what follows the request is content now, or another request.
            self.todo.push_back(Todo::Decided(down));
            self.todo.push_back(Todo::PumpUp(key));
        }
        self.touch(down);
        if end {
            self.finish_if_done(key);
        } else {
            self.pump_down(key);
        }
    }

    /// Sends on what of an answer's body can go.
    pub(super) fn pump_down(&mut self, key: StreamKey) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        if s.to_down.done || !s.head_sent || s.down_gone {
            return self.finish_if_done(key);
        }
        let Some(c) = self.conns.get_mut(s.down) else {
            return;
        };
        let Role::Server(server) = &mut c.role else {
            return;
        };
        let end = s.to_down.end && !s.has_trailers;
        let mut moved = false;
        if !s.to_down.bytes.is_empty() || end {
            let taken = server.codec.data(s.down_place, &s.to_down.bytes, end);
            let all = taken == s.to_down.bytes.len();
            s.bytes_sent += taken as u64;
            s.to_down.bytes.take(taken);
            s.to_down.done = end && all;
            if taken > 0 {
                s.clock.moved = self.now;
            }
            moved |= taken > 0 || s.to_down.done;
            let full = matches!(s.down_place, Place::Http2(_)) && server.codec.is_full();
            if !all && full && !c.held.contains(&key) {
                c.held.push(key);
            }
        }
        if s.to_down.bytes.is_empty() && s.to_down.end && s.has_trailers && !s.to_down.done {
            server.codec.trailers(s.down_place, &s.trailers);
            s.to_down.done = true;
            moved = true;
        }
        let gone = s.owed_up.saturating_sub(s.to_down.bytes.len());
        s.owed_up -= gone;
        let (up, down, empty) = (s.up, s.down, s.to_down.bytes.is_empty());
        if moved {
            self.touch(down);
        }
        if let Some((up, place)) = up {
            self.release_on(up, place, gone);
            if empty {
                self.resume(up);
            }
        }
        self.finish_if_done(key);
    }

    /// An answer that has begun cannot go on: the client is told by the end of its stream or connection.
    pub(super) fn break_answer(&mut self, key: StreamKey) {
        self.abandon_up(key);
        let Some(s) = self.stream(key) else { return };
        let (down, place, gone) = (s.down, s.down_place, s.down_gone);
        s.down_gone = true;
        if !gone {
            match place {
                Place::Http2(_) => {
                    if let Some(Role::Server(server)) =
                        self.conns.get_mut(down).map(|c| &mut c.role)
                    {
                        server.codec.reset(place, ErrorCode::INTERNAL_ERROR);
                    }
                    self.touch(down);
                }
                Place::Http1 => {
                    self.flush_now(down);
                    self.close(down);
                }
            }
        }
        self.finish(key);
    }
}

/// What the proxy writes into an answer.
fn prepare(s: &mut Stream, now: std::time::Instant, wall: std::time::SystemTime) {
    let upgraded = s.upgrade && s.status == 101;
    if !matches!(s.up, Some((_, Place::Http2(_)))) {
        routing::hops::strip_response(&mut s.response, upgraded);
    }
    let manager = s.manager.clone();
    if !manager.filters.suppress_envoy_headers
        && s.to_up.end
        && let Some(sent) = s.sent_at
    {
        let mut text = itoa::Buffer::new();
        let millis = text.format(millis(now.saturating_duration_since(sent)));
        s.response
            .set(Known::XEnvoyUpstreamServiceTime, millis.as_bytes());
    }
    if let (Some(cors), Some(origin)) = (
        s.route
            .as_ref()
            .and_then(|r| r.cors.clone())
            .filter(|_| manager.filters.cors),
        s.request.get(Known::Origin),
    ) && cors
        .allow_origins
        .iter()
        .any(|o| o.matches(b"*") || o.matches(origin))
    {
        let origin = origin.to_vec();
        routing::cors::write_response(&cors, &origin, &mut s.response);
    }
    mutate(s, now, wall);
    if let Some(cookie) = s.cookie.take() {
        s.response.push(b"set-cookie", &cookie);
    }
    routing::server::set(&mut s.response, &manager);
    if manager.always_set_request_id_in_response
        && let Some(id) = s.request.get(Known::XRequestId).map(<[u8]>::to_vec)
    {
        s.response.set(Known::XRequestId, &id);
    }
}

/// Changes that the route, its weighted cluster and its virtual host ask for.
pub(super) fn mutate(s: &mut Stream, now: std::time::Instant, wall: std::time::SystemTime) {
    let Some(route) = s.route.clone() else { return };
    let weighted = match (&route.action, &s.cluster) {
        (Action::Forward(forward), Some(cluster)) => match &forward.target {
            Target::Weighted { clusters, .. } => clusters.iter().find(|w| w.cluster == cluster.id),
            _ => None,
        },
        _ => None,
    };
    let host = s.virtual_host.clone();
    let levels = [
        weighted.map(|w| &w.response),
        Some(&route.response),
        host.as_ref().map(|h| &h.response),
    ];
    for level in levels.into_iter().flatten().filter(|l| !l.is_empty()) {
        let mut response = s.response.clone();
        level.apply(&mut response, |template, out| {
            let entry = accesslog::Entry {
                response: Some(&s.response),
                ..s.entry(now, wall)
            };
            template.render(&entry, out);
        });
        s.response = response;
    }
}
