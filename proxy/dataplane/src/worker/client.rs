//! HTTP with endpoints: what their codecs say.

use http2::{ErrorCode, Event, HeadersKind};

use super::{Todo, Worker};
use crate::codec::{Codec, Place};
use crate::conn::Role;
use crate::stream::{Stage, StreamKey};

use super::dispatch::Failure;
use super::members::Side;
use super::server::ENOUGH_WAITING;

impl Worker {
    /// What an endpoint sent. How many bytes at the end were left for later.
    pub(super) fn on_client_bytes(&mut self, slot: usize, bytes: &[u8]) -> usize {
        let mut input = bytes;
        loop {
            let Some(c) = self.conns.get_mut(slot) else {
                return 0;
            };
            let Role::Client(client) = &mut c.role else {
                return 0;
            };
            match &mut client.codec {
                Codec::Http2(codec) => match codec.next(&mut input, &mut self.scratch) {
                    Ok(None) => break,
                    Ok(Some(event)) => self.on_http2_answer(slot, event),
                    Err(error) => {
                        tracing::debug!("an endpoint broke HTTP/2: {error}");
                        self.client_broke(slot);
                        return 0;
                    }
                },
                Codec::Http1(codec) => match codec.next(&mut input, &mut self.scratch) {
                    Ok(None) => break,
                    Ok(Some(event)) => self.on_http1_answer(slot, event),
                    Err(error) => {
                        tracing::debug!("an endpoint broke HTTP/1: {error}");
                        self.client_broke(slot);
                        return 0;
                    }
                },
            }
        }
        self.touch(slot);
        input.len()
    }

    fn on_http2_answer(&mut self, slot: usize, event: Event<'_>) {
        match event {
            Event::Headers {
                token,
                kind,
                end_stream,
                too_large,
                ..
            } => {
                let Some(key) = self.up_key_of(token, slot) else {
                    return;
                };
                if too_large {
                    self.attempt_failed(key, Failure::Protocol);
                    return;
                }
                match kind {
                    HeadersKind::Informational => self.on_informational(key),
                    HeadersKind::Trailers => self.on_answer_trailers(key),
                    HeadersKind::Response | HeadersKind::Request => self.on_answer(key, end_stream),
                }
            }
            Event::Data {
                stream,
                token,
                bytes,
                end_stream,
            } => match self.up_key_of(token, slot) {
                Some(key) => self.on_answer_data(key, bytes, end_stream),
                None => self.release_on(slot, Place::Http2(stream), bytes.len()),
            },
            Event::Reset {
                token, code, by_us, ..
            } => {
                let Some(key) = self.up_key_of(token, slot) else {
                    return;
                };
                self.forget_up(key);
                let carries = matches!(
                    self.conns.get(slot).map(|c| &c.role),
                    Some(Role::Client(client)) if client.carries
                );
                let begun = self
                    .stream(key)
                    .is_some_and(|s| s.stage == Stage::Answering && !s.upgrade);
                let failure = match (by_us, code) {
                    (true, _) => Failure::Protocol,
                    (false, ErrorCode::REFUSED_STREAM) => Failure::Refused,
                    // Of HTTP/1.1 that is the end of its connection, and of an answer cut short.
                    (false, _) if carries && begun => Failure::Protocol,
                    (false, _) if carries => Failure::Terminated,
                    (false, _) => Failure::RemoteReset,
                };
                self.attempt_failed(key, failure);
            }
            Event::Refused { token, .. } => {
                let Some(key) = self.up_key_of(token, slot) else {
                    return;
                };
                self.forget_up(key);
                if !self.move_on(key) {
                    self.attempt_failed(key, Failure::Refused);
                }
            }
            Event::GoAway { .. } => self.retire(slot),
            Event::Opened => self.room_in_pool(slot),
            Event::Writable { token, .. } => {
                if let Some(key) = self.up_key_of(token, slot) {
                    self.todo.push_back(Todo::PumpUp(key));
                }
            }
            Event::PingAck { .. } => {}
        }
    }

    fn on_http1_answer(&mut self, slot: usize, event: http1::Event<'_>) {
        let current = match self.conns.get(slot).map(|c| &c.role) {
            Some(Role::Client(client)) => client.current,
            _ => None,
        };
        let Some(key) = current else { return };
        match event {
            http1::Event::Response {
                body: http1::BodyLength::Empty,
                ..
            } => {
                // The head and the end go on together, once the codec is done with the message.
                if let Some(Role::Client(client)) = self.conns.get_mut(slot).map(|c| &mut c.role) {
                    client.head_waits = true;
                }
            }
            http1::Event::Response { .. } => self.on_answer(key, false),
            http1::Event::Informational => self.on_informational(key),
            http1::Event::Data(bytes) => {
                self.on_answer_data(key, bytes, false);
                let full = self
                    .stream(key)
                    .is_some_and(|s| s.to_down.bytes.len() >= ENOUGH_WAITING);
                if full && let Some(c) = self.conns.get_mut(slot) {
                    c.paused = true;
                }
            }
            http1::Event::Trailers => self.on_answer_trailers(key),
            http1::Event::End => {
                let head = match self.conns.get_mut(slot).map(|c| &mut c.role) {
                    Some(Role::Client(client)) => std::mem::take(&mut client.head_waits),
                    _ => false,
                };
                if head {
                    self.on_answer(key, true)
                } else {
                    self.on_answer_data(key, b"", true)
                }
            }
            http1::Event::Request { .. } | http1::Event::Tunnel => {}
        }
    }

    /// An endpoint's codec failed: everything on the connection fails with it.
    fn client_broke(&mut self, slot: usize) {
        self.leave_pool(slot);
        self.fail_all(slot, Failure::Protocol);
        self.uncount_connection(slot);
        // What the codec has to say of it (GOAWAY) still goes out.
        self.close_soon(slot);
    }

    fn fail_all(&mut self, slot: usize, failure: Failure) {
        self.streams_of(slot, |w, key| {
            w.forget_up(key);
            w.attempt_failed(key, failure);
        });
    }

    /// The endpoint's connection broke: an answer that had begun is not whole.
    pub(super) fn on_client_cut(&mut self, slot: usize) {
        if let Some(Role::Client(client)) = self.conns.get_mut(slot).map(|c| &mut c.role)
            && let Codec::Http1(codec) = &mut client.codec
            && matches!(codec.end_of_input(), Err(http1::Error::Truncated))
        {
            self.fail_all(slot, Failure::Protocol);
        }
        self.client_gone(slot);
    }

    /// The endpoint sends no more.
    pub(super) fn on_client_end(&mut self, slot: usize) {
        if let Some(Role::Client(client)) = self.conns.get_mut(slot).map(|c| &mut c.role)
            && let Codec::Http1(codec) = &mut client.codec
        {
            match (codec.end_of_input(), client.current) {
                // A body that ends with its connection ends here.
                (Ok(Some(http1::Event::End)), Some(key)) => self.on_answer_data(key, b"", true),
                (Err(http1::Error::Truncated), Some(_)) => self.fail_all(slot, Failure::Protocol),
                _ => {}
            }
        }
        self.client_gone(slot);
    }

    /// An endpoint's connection is gone with all requests on it.
    pub(super) fn client_gone(&mut self, slot: usize) {
        if let Some(c) = self.conns.get_mut(slot) {
            c.wire.broken = true;
        }
        self.leave_pool(slot);
        self.fail_all(slot, Failure::Terminated);
        self.uncount_connection(slot);
        self.close(slot);
    }

    /// The request that a codec's token names on this endpoint connection.
    fn up_key_of(&self, token: u32, slot: usize) -> Option<StreamKey> {
        let s = self.streams.get(token as usize)?;
        (s.live && s.up.is_some_and(|u| u.0 == slot)).then_some(StreamKey {
            slot: token,
            generation: s.generation,
        })
    }

    /// The attempt's stream is over on the endpoint's connection: nothing more is said there.
    fn forget_up(&mut self, key: StreamKey) {
        let Some(s) = self.stream(key) else { return };
        let Some((conn, place)) = s.up.take() else {
            return;
        };
        let (owed, at) = (std::mem::take(&mut s.owed_up), s.up_at);
        self.delist(conn, key, Side::Up, at);
        self.release_on(conn, place, owed);
        if place == Place::Http1
            && let Some(Role::Client(client)) = self.conns.get_mut(conn).map(|c| &mut c.role)
        {
            client.current = None;
        }
        self.end_if_left(conn);
    }
}
