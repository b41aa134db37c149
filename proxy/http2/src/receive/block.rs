//! HEADERS and CONTINUATION (RFC 9113, 4.3, 6.2, 6.10 and 8.1).

use headers::Headers;
use hpack::{Limits, Outcome};

use super::{frame_size, protocol};
use crate::error::broken;
use crate::fields;
use crate::leaving::Leaving;
use crate::stream::{Half, Method, Stream};
use crate::wire::{Head, flag};
use crate::{Connection, ConnectionError, ErrorCode, Event, HeadersKind, NO_TOKEN, Role, StreamId};

/// Keep this much memory for blocks that come in more than one frame.
const KEPT_BLOCK: usize = 2048;

/// A header block that is not complete.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// What its HEADERS frame said; None while no block is open.
    start: Option<Start>,
    bytes: Vec<u8>,
    continuations: u32,
}

/// What a HEADERS frame says besides its part of the block.
#[derive(Clone, Copy, Debug)]
struct Start {
    stream: u32,
    end_stream: bool,
    /// It says that the stream depends on itself.
    depends_on_itself: bool,
}

impl Block {
    /// The stream whose block it is.
    pub(crate) fn open(&self) -> Option<u32> {
        self.start.map(|start| start.stream)
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Connection {
    pub(super) fn take_headers(
        &mut self,
        head: Head,
        payload: &[u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let too_short = || frame_size("HEADERS too short for its flags");
        let mut rest = payload;
        let mut padding = 0;
        if head.has(flag::PADDED) {
            let (pad, after) = rest.split_first().ok_or_else(too_short)?;
            (padding, rest) = (usize::from(*pad), after);
        }
        let mut depends_on_itself = false;
        if head.has(flag::PRIORITY) {
            let (priority, after) = rest.split_first_chunk::<5>().ok_or_else(too_short)?;
            depends_on_itself = super::control::dependency(priority) == head.stream;
            rest = after;
        }
        let content = rest
            .len()
            .checked_sub(padding)
            .ok_or(protocol("more padding than HEADERS"))?;
        let fragment = rest.get(..content).unwrap_or_default();
        let start = Start {
            stream: head.stream,
            end_stream: head.has(flag::END_STREAM),
            depends_on_itself,
        };
        if self.is_impossible(head.stream) {
            return Err(protocol("HEADERS on a stream that the peer cannot open"));
        }
        if head.has(flag::END_HEADERS) {
            return self.finish(start, fragment, headers);
        }
        self.block.start = Some(start);
        self.block.continuations = 0;
        self.gather_block(fragment)?;
        Ok(None)
    }

    pub(super) fn take_continuation(
        &mut self,
        head: Head,
        payload: &[u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        self.block.continuations += 1;
        if self.block.continuations > self.config.max_continuations {
            return Err(broken(
                ErrorCode::ENHANCE_YOUR_CALM,
                "too many CONTINUATION frames",
            ));
        }
        self.gather_block(payload)?;
        if !head.has(flag::END_HEADERS) {
            return Ok(None);
        }
        let Some(start) = self.block.start.take() else {
            return Ok(None);
        };
        let mut bytes = std::mem::take(&mut self.block.bytes);
        let event = self.finish(start, &bytes, headers);
        bytes.clear();
        bytes.shrink_to(KEPT_BLOCK);
        self.block.bytes = bytes;
        event
    }

    fn gather_block(&mut self, fragment: &[u8]) -> Result<(), ConnectionError> {
        if self.block.bytes.len() + fragment.len() > self.config.max_header_block as usize {
            return Err(broken(
                ErrorCode::ENHANCE_YOUR_CALM,
                "header block too large",
            ));
        }
        self.block.bytes.extend_from_slice(fragment);
        Ok(())
    }

    /// Whether the peer can never send HEADERS on a stream: not one that it or we opened (RFC 9113, 5.1.1).
    fn is_impossible(&self, number: u32) -> bool {
        match self.role {
            Role::Server => number.is_multiple_of(2),
            Role::Client => self.is_idle(number),
        }
    }

    /// A block is complete. It is decoded whatever becomes of it, for the state of the compression (RFC 9113, 4.3).
    fn finish(
        &mut self,
        start: Start,
        block: &[u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        headers.clear();
        let limits = Limits {
            max_list_size: self.config.max_header_list_size as usize,
            max_fields: self.config.max_header_fields as usize,
        };
        let outcome = self
            .decoder
            .decode(block, headers, limits)
            .map_err(|error| broken(ErrorCode::COMPRESSION_ERROR, error.reason()))?;
        let complete = outcome == Outcome::Complete;
        self.flood.something_came();
        if self.role == Role::Server && start.stream > self.last_peer {
            return self.request(start, headers, complete);
        }
        let Some(stream) = self.streams.find(start.stream) else {
            return if self.is_tolerated(start.stream) {
                Ok(None)
            } else if self.has_gaps {
                Err(protocol("HEADERS on a lower stream than the last"))
            } else {
                Err(broken(
                    ErrorCode::STREAM_CLOSED,
                    "HEADERS on a closed stream",
                ))
            };
        };
        if start.depends_on_itself {
            return self.stream_error(start.stream, ErrorCode::PROTOCOL_ERROR);
        }
        match self.section(stream, start.end_stream, headers, complete) {
            Err(code) => self.stream_error(start.stream, code),
            Ok((kind, token)) => {
                if start.end_stream {
                    self.close_if_over(stream);
                }
                Ok(Some(Event::Headers {
                    stream,
                    token,
                    kind,
                    end_stream: start.end_stream,
                    too_large: !complete,
                }))
            }
        }
    }

    /// A request opens a stream.
    fn request(
        &mut self,
        start: Start,
        headers: &Headers,
        complete: bool,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        // The first is 1, each other two more than the last.
        self.has_gaps |= start.stream - self.last_peer > 2;
        self.last_peer = start.stream;
        if matches!(self.leaving, Leaving::Final { .. }) {
            return Ok(None);
        }
        self.flood.stream_opened();
        if self.streams.len() >= self.config.max_concurrent_streams as usize {
            // Before it acknowledged our SETTINGS the peer may not have known the limit.
            if self.unacknowledged == 0 {
                self.flood.unanswered_reset()?;
            }
            return self.stream_error(start.stream, ErrorCode::REFUSED_STREAM);
        }
        let checked = fields::request(headers, complete, self.config.enable_connect_protocol);
        let unsound = start.depends_on_itself
            || (start.end_stream && checked.is_ok_and(|length| length.unwrap_or(0) > 0));
        let (Ok(content_left), false) = (checked, unsound) else {
            self.flood.unanswered_reset()?;
            return self.stream_error(start.stream, ErrorCode::PROTOCOL_ERROR);
        };
        let stream = self.streams.insert(Stream {
            number: start.stream,
            send_window: self.peer.initial_window.cast_signed(),
            recv_window: self.recv_initial.cast_signed(),
            content_left,
            send: Half::Headers,
            recv: if start.end_stream {
                Half::Closed
            } else {
                Half::Body
            },
            ..Stream::FREE
        });
        Ok(Some(Event::Headers {
            stream,
            token: NO_TOKEN,
            kind: HeadersKind::Request,
            end_stream: start.end_stream,
            too_large: !complete,
        }))
    }

    /// A section of a stream that is open: a response or trailers. Says what it is, and the stream's token.
    fn section(
        &mut self,
        stream: StreamId,
        end_stream: bool,
        headers: &Headers,
        complete: bool,
    ) -> Result<(HeadersKind, u32), ErrorCode> {
        let row = self
            .streams
            .get_mut(stream)
            .ok_or(ErrorCode::STREAM_CLOSED)?;
        let malformed = |fields::Malformed| ErrorCode::PROTOCOL_ERROR;
        let kind = match row.recv {
            Half::Closed => return Err(ErrorCode::STREAM_CLOSED),
            Half::Body => {
                fields::trailers(headers).map_err(malformed)?;
                if !end_stream {
                    return Err(ErrorCode::PROTOCOL_ERROR);
                }
                HeadersKind::Trailers
            }
            Half::Headers => {
                let response = fields::response(headers, complete).map_err(malformed)?;
                if (100..200).contains(&response.status) {
                    if end_stream {
                        return Err(ErrorCode::PROTOCOL_ERROR);
                    }
                    row.informational += 1;
                    if row.informational > self.config.max_informational {
                        return Err(ErrorCode::ENHANCE_YOUR_CALM);
                    }
                    return Ok((HeadersKind::Informational, row.token));
                }
                row.recv = Half::Body;
                row.content_left = match (response.status, row.method) {
                    (200..=299, Method::Connect) => None,
                    (204 | 304, _) | (_, Method::Head) => Some(0),
                    _ => response.content_length,
                };
                HeadersKind::Response
            }
        };
        if end_stream {
            row.count_content(0, true)
                .map_err(|()| ErrorCode::PROTOCOL_ERROR)?;
            row.recv = Half::Closed;
        }
        Ok((kind, row.token))
    }
}
