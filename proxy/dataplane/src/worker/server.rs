//! HTTP from clients: connections and what their codecs say.

use std::rc::Rc;
use std::sync::Arc;

use accesslog::{Flags, Protocol};
use graph::manager::{self, HttpManager};
use headers::Known;
use http1::Version;
use http2::{Event, HeadersKind};
use stats::HttpStat;

use super::{Todo, Worker, carry};
use crate::codec::{Codec, Place};
use crate::conn::{Counted, Downstream, Role, Server};
use crate::stream::StreamKey;
use crate::stream::clock::after;
use crate::telemetry;

/// Body bytes of an HTTP/1 message that wait before its connection is read no further.
pub(super) const ENOUGH_WAITING: usize = 64 << 10;
/// Requests of one connection in a row before others get their turn.
const REQUESTS: u32 = 256;

impl Worker {
    /// A client's connection begins to speak HTTP.
    pub(super) fn serve_http(
        &mut self,
        slot: usize,
        facts: Rc<Downstream>,
        manager: &Arc<HttpManager>,
        plaintext: Option<&'static str>,
    ) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let alpn = c.wire.tls.as_ref().and_then(|t| t.alpn());
        // `None`: neither ALPN nor inspection tells, and the first bytes decide. `istio` alone says nothing of HTTP.
        let told = match (alpn, plaintext) {
            (Some(b"h2" | b"istio-h2"), _) => Some(true),
            (Some(b"istio" | b"istio-peer-exchange"), _) | (None, None) => None,
            (Some(_), _) => Some(false),
            (None, Some(found)) => Some(found == "h2c"),
        };
        let carries = carry::is_agreed(&c.wire);
        let told = match manager.codec {
            _ if carries => Some(true),
            manager::Codec::Http1 => Some(false),
            manager::Codec::Http2 => Some(true),
            manager::Codec::Auto => told,
        };
        let http2 = told == Some(true);
        let codec = if http2 {
            let mut config = http2_server(manager);
            config.enable_connect_protocol &= !carries;
            Codec::Http2(Box::new(http2::Connection::new(
                http2::Role::Server,
                config,
            )))
        } else {
            Codec::Http1(Box::new(http1::Connection::new(
                http1::Role::Server,
                http1::Config {
                    refuse_https: manager.use_remote_address && !facts.tls,
                    ..http1_server(manager)
                },
            )))
        };
        if let Some(http) = &facts.http {
            c.counted = Some(Counted::new(http, self.thread));
            if facts.tls {
                let http = http.of(self.thread);
                http.counter(HttpStat::DownstreamCxSslTotal).increment();
            }
        }
        c.undecided = told.is_none();
        c.role = Role::Server(Box::new(Server {
            facts,
            manager: manager.clone(),
            codec,
            carries,
            current: None,
            requests: 0,
            head_since: None,
            draining: false,
            ends: false,
        }));
        c.expires = after(self.now, manager.max_connection_duration);
        self.watch_conn(slot);
        self.touch(slot);
    }

    /// What a client sent. How many bytes at the end were left for later.
    pub(super) fn on_server_bytes(&mut self, slot: usize, bytes: &[u8]) -> usize {
        if self.conns.get(slot).is_some_and(|c| c.undecided) && !self.decide_version(slot, bytes) {
            return 0;
        }
        let mut input = bytes;
        let before = self.requests_of(slot);
        loop {
            let Some(c) = self.conns.get_mut(slot) else {
                return 0;
            };
            let Role::Server(server) = &mut c.role else {
                return 0;
            };
            // Between messages: a message of HTTP/1 whose end was read but not seen would be taken for one without.
            let between = server.current.is_none();
            if between && server.codec.is_full() {
                // The client does not take its answers: nothing more is read until it does.
                c.choked = true;
                break;
            }
            if between && server.requests.wrapping_sub(before) >= REQUESTS {
                c.busy = true;
                if !c.again {
                    c.again = true;
                    self.later.push(slot);
                }
                break;
            }
            match &mut server.codec {
                Codec::Http2(codec) => match codec.next(&mut input, &mut self.scratch) {
                    Ok(None) => break,
                    Ok(Some(event)) => self.on_http2_request(slot, event),
                    Err(error) => {
                        tracing::debug!("a client broke HTTP/2: {error}");
                        self.streams_of(slot, |w, key| {
                            w.client_gone_from(
                                key,
                                Flags::DOWNSTREAM_PROTOCOL_ERROR,
                                "http2.protocol_error",
                            )
                        });
                        self.close_soon(slot);
                        return 0;
                    }
                },
                Codec::Http1(codec) => match codec.next(&mut input, &mut self.scratch) {
                    Ok(None) => break,
                    Ok(Some(event)) => self.on_http1_request(slot, event),
                    Err(error) => {
                        self.on_http1_error(slot, &error);
                        return 0;
                    }
                },
            }
        }
        self.note_head(slot);
        self.touch(slot);
        input.len()
    }

    fn requests_of(&self, slot: usize) -> u32 {
        match self.conns.get(slot).map(|c| &c.role) {
            Some(Role::Server(server)) => server.requests,
            _ => 0,
        }
    }

    /// Chooses the version of HTTP by the first bytes. `false`: they are too few and were kept.
    fn decide_version(&mut self, slot: usize, bytes: &[u8]) -> bool {
        // Three bytes tell the preface from every method.
        const TELLING: &[u8] = b"PRI";
        let Some(c) = self.conns.get_mut(slot) else {
            return false;
        };
        if bytes.len() < TELLING.len()
            && TELLING.starts_with(bytes)
            && matches!(&c.role, Role::Server(s) if !s.facts.tls)
        {
            c.wire.keep(bytes);
            return false;
        }
        c.undecided = false;
        let Role::Server(server) = &mut c.role else {
            return false;
        };
        if bytes.starts_with(TELLING) {
            let config = http2_server(&server.manager);
            server.codec = Codec::Http2(Box::new(http2::Connection::new(
                http2::Role::Server,
                config,
            )));
        }
        true
    }

    /// Whether a client's connection of HTTP/2 carries HTTP/1.1.
    fn carries(&self, slot: usize) -> bool {
        matches!(self.conns.get(slot).map(|c| &c.role), Some(Role::Server(server)) if server.carries)
    }

    fn on_http2_request(&mut self, slot: usize, event: Event<'_>) {
        match event {
            Event::Headers {
                stream,
                kind: HeadersKind::Request,
                end_stream,
                too_large,
                ..
            } => {
                let place = Place::Http2(stream);
                let protocol = match self.carries(slot) {
                    true => {
                        // The one that HTTP/1.1 has not: it is found out here, as for each request of HTTP/1.1.
                        self.scratch.remove(Known::Scheme);
                        Protocol::Http11
                    }
                    false => Protocol::Http2,
                };
                let Some(key) = self.begin(slot, place, protocol) else {
                    return;
                };
                if let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role)
                    && let Codec::Http2(codec) = &mut server.codec
                {
                    codec.set_token(stream, key.slot);
                }
                if let Some(s) = self.stream(key) {
                    s.to_up.end = end_stream;
                }
                if too_large {
                    self.reply(key, 431, b"", Flags::default(), "request_headers_too_large");
                } else {
                    self.decide(key);
                }
            }
            Event::Headers {
                token, end_stream, ..
            } => {
                let Some(key) = self.key_of(token, slot) else {
                    return;
                };
                let mut trailers = Box::new(headers::Headers::new());
                std::mem::swap(&mut *trailers, &mut self.scratch);
                self.on_request_trailers(key, trailers, end_stream);
                self.request_ended(key);
                self.pump_up(key);
            }
            Event::Data {
                stream,
                token,
                bytes,
                end_stream,
            } => match self.key_of(token, slot) {
                Some(key) => self.on_request_data(key, bytes, end_stream),
                None => self.release_on(slot, Place::Http2(stream), bytes.len()),
            },
            Event::Reset { token, by_us, .. } => {
                let Some(key) = self.key_of(token, slot) else {
                    return;
                };
                let (flags, details) = match by_us {
                    true => (
                        Flags::DOWNSTREAM_PROTOCOL_ERROR,
                        "http2.violation.of.messaging.rule",
                    ),
                    // Of HTTP/1.1 that is the end of its connection.
                    false if self.carries(slot) => (
                        Flags::DOWNSTREAM_CONNECTION_TERMINATION,
                        "downstream_remote_disconnect",
                    ),
                    false => (Flags::DOWNSTREAM_REMOTE_RESET, "http2.remote_reset"),
                };
                self.client_gone_from(key, flags, details);
            }
            Event::Writable { token, .. } => {
                if let Some(key) = self.key_of(token, slot) {
                    self.todo.push_back(Todo::PumpDown(key));
                }
            }
            Event::Refused { .. }
            | Event::GoAway { .. }
            | Event::Opened
            | Event::PingAck { .. } => {}
        }
    }

    fn on_http1_request(&mut self, slot: usize, event: http1::Event<'_>) {
        let current = match self.conns.get(slot).map(|c| &c.role) {
            Some(Role::Server(server)) => server.current,
            _ => None,
        };
        match event {
            http1::Event::Request {
                version, upgrade, ..
            } => {
                let protocol = match version {
                    Version::Http10 => Protocol::Http10,
                    Version::Http11 => Protocol::Http11,
                };
                let Some(key) = self.begin(slot, Place::Http1, protocol) else {
                    return;
                };
                if let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role) {
                    server.current = Some(key);
                }
                if let Some(s) = self.stream(key)
                    && upgrade
                {
                    s.upgrade = true;
                    // The codec keeps what speaks of its connection to itself; an upgrade is told by this field.
                    s.request.set(Known::Connection, b"upgrade");
                }
                self.decide(key);
            }
            http1::Event::Data(bytes) => {
                if let Some(key) = current {
                    self.on_request_data(key, bytes, false);
                    let full = self
                        .stream(key)
                        .is_some_and(|s| s.to_up.bytes.len() >= ENOUGH_WAITING);
                    if full && let Some(c) = self.conns.get_mut(slot) {
                        c.paused = true;
                    }
                }
            }
            http1::Event::Trailers => {
                let mut trailers = Box::new(headers::Headers::new());
                std::mem::swap(&mut *trailers, &mut self.scratch);
                if let Some(key) = current {
                    self.on_request_trailers(key, trailers, false);
                }
            }
            http1::Event::End => {
                if let Some(key) = current {
                    self.on_request_data(key, b"", true);
                }
            }
            http1::Event::Informational | http1::Event::Response { .. } | http1::Event::Tunnel => {}
        }
    }

    /// A request that cannot be read is answered and ends its connection.
    fn on_http1_error(&mut self, slot: usize, error: &http1::Error) {
        tracing::debug!("a client broke HTTP/1: {error}");
        let current = match self.conns.get(slot).map(|c| &c.role) {
            Some(Role::Server(server)) => server.current,
            _ => None,
        };
        if let Some(key) = current {
            // Its head was good and went on: only its body broke.
            let flags = Flags::DOWNSTREAM_PROTOCOL_ERROR;
            let unanswered = self.stream(key).is_some_and(|s| !s.head_sent);
            if unanswered {
                let body = phrase(error.status());
                self.reply(key, error.status(), body, flags, error.details());
            } else {
                self.client_gone_from(key, flags, error.details());
            }
            self.close_soon(slot);
            return;
        }
        if *error == http1::Error::ClosedBeforeResponse {
            self.close(slot);
            return;
        }
        // What was read of a broken head is no request's.
        self.scratch.clear();
        let Some(key) = self.begin(slot, Place::Http1, Protocol::Http11) else {
            return;
        };
        if *error == http1::Error::Truncated {
            self.server_gone(slot);
            return;
        }
        if let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role) {
            server.current = Some(key);
            if let Codec::Http1(codec) = &mut server.codec {
                codec.close_after();
            }
        }
        if let Some(s) = self.stream(key) {
            s.to_up.end = true;
        }
        self.reply(
            key,
            error.status(),
            phrase(error.status()),
            Flags::DOWNSTREAM_PROTOCOL_ERROR,
            error.details(),
        );
        self.close_soon(slot);
    }

    /// The client sends no more.
    pub(super) fn on_server_end(&mut self, slot: usize) {
        let Some(Role::Server(server)) = self.conns.get_mut(slot).map(|c| &mut c.role) else {
            return;
        };
        match &mut server.codec {
            Codec::Http2(_) => self.server_gone(slot),
            Codec::Http1(codec) => {
                // Envoy treats a half-closed client as gone, one that has upgraded too.
                match (codec.end_of_input(), server.current) {
                    (Err(error @ http1::Error::Truncated), None) => {
                        self.on_http1_error(slot, &error)
                    }
                    _ => self.server_gone(slot),
                }
            }
        }
    }

    /// The client's connection is gone with all requests on it.
    pub(super) fn server_gone(&mut self, slot: usize) {
        if let Some(c) = self.conns.get_mut(slot) {
            c.wire.broken = true;
        }
        self.streams_of(slot, |w, key| {
            let flags = Flags::DOWNSTREAM_CONNECTION_TERMINATION;
            w.client_gone_from(key, flags, "downstream_remote_disconnect")
        });
        self.close(slot);
    }

    /// Gives the client's window back what went on.
    pub(super) fn release_on(&mut self, slot: usize, place: Place, n: usize) {
        if n == 0 {
            return;
        }
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        match &mut c.role {
            Role::Server(server) => server.codec.release(place, n),
            Role::Client(client) => client.codec.release(place, n),
            _ => return,
        }
        self.touch(slot);
    }

    /// The request that a codec's token names on this client connection.
    pub(super) fn key_of(&self, token: u32, slot: usize) -> Option<StreamKey> {
        let s = self.streams.get(token as usize)?;
        (s.live && s.down == slot).then_some(StreamKey {
            slot: token,
            generation: s.generation,
        })
    }
}

fn http2_server(manager: &HttpManager) -> http2::Config {
    http2::Config {
        max_concurrent_streams: manager.http2.max_concurrent_streams,
        initial_window: manager.http2.initial_stream_window,
        connection_window: manager.http2.initial_connection_window,
        enable_connect_protocol: manager.http2.allow_connect,
        extension: manager.filters.peer_metadata.then_some(telemetry::SETTING),
        max_header_list_size: manager.max_request_headers_kib.saturating_mul(1024),
        max_header_fields: manager.max_headers_count,
        ..http2::Config::default()
    }
}

/// What Envoy says in an answer to a request that cannot be read.
fn phrase(status: u16) -> &'static [u8] {
    match status {
        403 => b"Forbidden",
        426 => b"Upgrade Required",
        431 => b"Request Header Fields Too Large",
        501 => b"Not Implemented",
        _ => b"Bad Request",
    }
}

fn http1_server(manager: &HttpManager) -> http1::Config {
    http1::Config {
        max_head_bytes: manager.max_request_headers_kib as usize * 1024,
        max_fields: manager.max_headers_count as usize,
        accept_http_10: manager.accept_http_10,
        ..http1::Config::default()
    }
}
