//! Copies of requests (`request_mirror_policies`): sent, and what comes back is dropped.
//!
//! A copy is a request of its own without a client. Nobody waits for it, no line is written of it, it is tried once.

use std::time::Duration;

use graph::route::{Forwarding, Mirror};
use headers::{Headers, Known};

use super::{Todo, Worker};
use crate::codec::Place;
use crate::stream::clock::after;
use crate::stream::{Stage, StreamKey};

/// What stands for the client's connection of a copy: no slot.
const NO_CLIENT: usize = usize::MAX;
/// Bytes of a copy's body that wait for its endpoint before the copy is given up: it must not hold up the request.
const MOST_WAITING: usize = 1 << 20;

impl Worker {
    /// Begins the copies that a route makes of a request, as the request goes on.
    pub(super) fn mirror(&mut self, key: StreamKey, how: &Forwarding, delay: Duration) {
        for mirror in &how.mirrors {
            let drawn = self.random.next() % 1_000_000;
            let known = self.graph.cluster(mirror.cluster).is_some();
            if known && drawn < u64::from(mirror.fraction) {
                self.begin_copy(key, mirror, delay);
            }
        }
    }

    fn begin_copy(&mut self, key: StreamKey, mirror: &Mirror, delay: Duration) {
        let (now, random) = (self.now, self.random.next());
        let cluster = self.graph.cluster(mirror.cluster).cloned();
        let Some(s) = self.stream(key).filter(|s| !s.upgrade) else {
            return;
        };
        let (facts, manager, protocol) = (s.facts.clone(), s.manager.clone(), s.protocol);
        let (mut request, end, timeout) = (s.request.clone(), s.to_up.end, s.timeouts.whole);
        if mirror.marks_host {
            mark_host(&mut request);
        }
        request.set(Known::XEnvoyInternal, b"true");
        let Some(copy) =
            self.take_stream(NO_CLIENT, Place::Http1, facts, manager, protocol, random)
        else {
            return;
        };
        if let Some(s) = self.stream(copy) {
            s.is_copy = true;
            s.request = request;
            s.to_up.end = end;
            s.timeouts.whole = timeout;
            s.cluster = cluster;
            s.stage = Stage::Waiting;
            s.clock.whole = after(now + delay, timeout);
            s.clock.retry = after(now, delay);
        }
        if let Some(s) = self.stream(key) {
            s.copies.push(copy);
        }
        if delay.is_zero() {
            self.todo.push_back(Todo::Dispatch(copy));
        }
        self.watch(copy);
    }

    /// A part of a request's body goes to its copies.
    pub(super) fn mirror_data(&mut self, key: StreamKey, bytes: &[u8], end: bool) {
        self.copies_of(key, |w, copy| {
            let Some(s) = w.stream(copy) else { return };
            if s.to_up.bytes.len() + bytes.len() > MOST_WAITING {
                tracing::debug!("a copy of a request is given up: its endpoint takes no more");
                return w.finish(copy);
            }
            s.to_up.bytes.extend_from_slice(bytes);
            s.to_up.end |= end;
            w.pump_up(copy);
        });
    }

    /// The trailers of a request go to its copies.
    pub(super) fn mirror_trailers(&mut self, key: StreamKey, trailers: &Headers, end: bool) {
        self.copies_of(key, |w, copy| {
            let Some(s) = w.stream(copy) else { return };
            s.to_up.trailers = Some(Box::new(trailers.clone()));
            s.to_up.end |= end;
            w.pump_up(copy);
        });
    }

    /// A request is over: copies of it that are not whole will never be.
    pub(super) fn leave_copies(&mut self, key: StreamKey) {
        self.copies_of(key, |w, copy| {
            if w.stream(copy).is_some_and(|s| !s.to_up.end) {
                w.finish(copy);
            }
        });
    }

    fn copies_of(&mut self, key: StreamKey, mut each: impl FnMut(&mut Worker, StreamKey)) {
        let Some(s) = self.stream(key).filter(|s| !s.copies.is_empty()) else {
            return;
        };
        let copies = std::mem::take(&mut s.copies);
        for copy in &copies {
            each(self, *copy);
        }
        if let Some(s) = self.stream(key) {
            s.copies = copies;
        }
    }
}

/// Envoy's mark of a copy: `-shadow` behind the host's name, before its port.
fn mark_host(request: &mut Headers) {
    let Some(host) = request.get(Known::Authority) else {
        return;
    };
    let digits = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    let port = host
        .iter()
        .rposition(|b| *b == b':')
        .filter(|at| host.get(at + 1..).is_some_and(digits))
        .unwrap_or(host.len());
    let (name, port) = host.split_at_checked(port).unwrap_or((host, b""));
    let marked = [name, b"-shadow", port].concat();
    request.set(Known::Authority, &marked);
}

/// Envoy's note of where a copy comes from: this proxy's own address.
pub(super) fn say_source(request: &mut Headers, local: Option<std::net::SocketAddr>) {
    let Some(local) = local.map(|a| a.ip().to_string()) else {
        return;
    };
    let hops = request.all(Known::XForwardedFor);
    let hops: Vec<&[u8]> = hops.chain([local.as_bytes()]).collect();
    let text = hops.join(&b","[..]);
    request.set(Known::XForwardedFor, &text);
}
