//! What the peer sent: cutting it into frames.

mod block;
mod control;
mod data;

use headers::Headers;

use crate::error::broken;
use crate::leaving::Leaving;
use crate::stream::Stream;
use crate::wire::{HEAD, Head, Kind, PREFACE, flag};
use crate::{Connection, ConnectionError, ErrorCode, Event, Role, StreamId};

pub(crate) use block::Block;
use data::Arriving;

/// Keep this much memory for frames that come in pieces.
const KEPT_PARTIAL: usize = 2048;

/// Where in the peer's bytes we are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// In the client's preface, after this many bytes of it.
    Preface(usize),
    /// Before or in a frame's header.
    Head,
    /// In the payload of a frame that is taken as a whole.
    Payload(Head),
    /// Before the pad length of a DATA frame.
    PadLength(Head),
    /// In the content of a DATA frame.
    Content(Arriving),
    /// Before this many bytes of padding, or of a frame that says nothing to us.
    Skipped(u32),
}

impl Reading {
    pub(crate) const fn first(role: Role) -> Reading {
        match role {
            Role::Server => Reading::Preface(0),
            Role::Client => Reading::Head,
        }
    }
}

pub(crate) const fn protocol(reason: &'static str) -> ConnectionError {
    broken(ErrorCode::PROTOCOL_ERROR, reason)
}

const fn frame_size(reason: &'static str) -> ConnectionError {
    broken(ErrorCode::FRAME_SIZE_ERROR, reason)
}

impl Connection {
    /// The next event of what is in `input`, whose front it consumes; None once `input` is empty. An incomplete frame
    /// is kept inside. `headers` is filled when the event is [`Event::Headers`], and else may be cleared. Some events
    /// need no input: call it also after the streams' side called anything, with what there is.
    ///
    /// After the caller's own [`Connection::go_away`] with an error, input is dropped.
    ///
    /// # Errors
    /// The peer broke the connection; the GOAWAY is in the output. Every further call gives the same error. The streams
    /// that were open end with it, without an event of their own: [`Connection::streams`] names them.
    pub fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        if self.leaving == Leaving::Broken {
            *input = &[];
            return self.error.map_or(Ok(None), Err);
        }
        let result = self.step(input, headers);
        if let Err(error) = result {
            *input = &[];
            self.fail(error);
        }
        result
    }

    /// Whether a part of a field section has come, and not all of it.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        let in_frame = matches!(self.reading, Reading::Payload(head) if head.kind == Kind::Headers);
        in_frame || self.block.open().is_some()
    }

    fn step<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        loop {
            if self.output.control_frames() > self.config.max_queued_control {
                return Err(broken(
                    ErrorCode::ENHANCE_YOUR_CALM,
                    "the peer does not read what it makes us send",
                ));
            }
            if self.refusing_from.is_some()
                && let Some(event) = self.next_refused()
            {
                return Ok(Some(event));
            }
            if self.send_window > 0
                && !self.blocked.is_empty()
                && let Some(event) = self.next_writable()
            {
                return Ok(Some(event));
            }
            let event = match self.reading {
                Reading::Head => {
                    let Some(head) = self.take_head(input) else {
                        return Ok(None);
                    };
                    self.start(head)?
                }
                Reading::Payload(head) => {
                    let len = head.len as usize;
                    match input.split_at_checked(len) {
                        Some((payload, rest)) if self.partial.is_empty() => {
                            *input = rest;
                            self.reading = Reading::Head;
                            self.take(head, payload, headers)?
                        }
                        _ => {
                            if !self.gather(input, len) {
                                return Ok(None);
                            }
                            self.reading = Reading::Head;
                            let mut payload = std::mem::take(&mut self.partial);
                            let event = self.take(head, &payload, headers)?;
                            payload.clear();
                            payload.shrink_to(KEPT_PARTIAL);
                            self.partial = payload;
                            event
                        }
                    }
                }
                Reading::Content(arriving) => match self.content(arriving, input)? {
                    Some(event) => return Ok(Some(event)),
                    None if matches!(self.reading, Reading::Content(_)) => return Ok(None),
                    None => None,
                },
                Reading::PadLength(head) => {
                    let Some((pad, rest)) = input.split_first() else {
                        return Ok(None);
                    };
                    *input = rest;
                    self.padded_data(head, *pad)?
                }
                Reading::Skipped(left) => {
                    let now = (left as usize).min(input.len());
                    *input = input.get(now..).unwrap_or_default();
                    let left = left - u32::try_from(now).unwrap_or(left);
                    if left > 0 {
                        self.reading = Reading::Skipped(left);
                        return Ok(None);
                    }
                    self.reading = Reading::Head;
                    None
                }
                Reading::Preface(seen) => {
                    let expected = PREFACE.get(seen..).unwrap_or_default();
                    let now = expected.len().min(input.len());
                    let (bytes, rest) = input.split_at(now);
                    *input = rest;
                    if !expected.starts_with(bytes) {
                        return Err(protocol("not the preface of HTTP/2"));
                    }
                    if now < expected.len() {
                        self.reading = Reading::Preface(seen + now);
                        return Ok(None);
                    }
                    self.reading = Reading::Head;
                    None
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Takes a frame's header, from both `partial` and `input`.
    #[inline]
    fn take_head(&mut self, input: &mut &[u8]) -> Option<Head> {
        if self.partial.is_empty()
            && let Some((bytes, rest)) = input.split_first_chunk::<HEAD>()
        {
            *input = rest;
            return Some(Head::parse(*bytes));
        }
        if !self.gather(input, HEAD) {
            return None;
        }
        let head = self.partial.first_chunk::<HEAD>().copied().map(Head::parse);
        self.partial.clear();
        head
    }

    /// Moves bytes from `input` to `partial` until that has `len` of them, and says whether it has.
    fn gather(&mut self, input: &mut &[u8], len: usize) -> bool {
        let missing = len.saturating_sub(self.partial.len());
        let (now, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(now);
        *input = rest;
        now.len() == missing
    }

    /// A frame starts: checks what its header alone says, before any of its payload is kept.
    fn start(&mut self, head: Head) -> Result<Option<Event<'static>>, ConnectionError> {
        if let Some(open) = self.block.open()
            && (head.kind != Kind::Continuation || head.stream != open)
        {
            return Err(protocol("another frame inside a header block"));
        }
        if head.len > self.config.max_frame_size {
            return Err(frame_size("frame larger than SETTINGS_MAX_FRAME_SIZE"));
        }
        if !self.peer.received && (head.kind != Kind::Settings || head.has(flag::ACK)) {
            return Err(protocol("the first frame is not SETTINGS"));
        }
        let of_connection = matches!(head.kind, Kind::Settings | Kind::Ping | Kind::GoAway);
        let of_either = matches!(head.kind, Kind::WindowUpdate | Kind::Unknown);
        if !of_either && of_connection != (head.stream == 0) {
            return Err(protocol("frame on the wrong kind of stream"));
        }
        let size_is_right = match head.kind {
            Kind::Settings if head.has(flag::ACK) => head.len == 0,
            Kind::Settings => head.len.is_multiple_of(6),
            Kind::Ping => head.len == 8,
            Kind::GoAway => head.len >= 8,
            Kind::WindowUpdate | Kind::Reset => head.len == 4,
            _ => true,
        };
        if !size_is_right {
            return Err(frame_size("frame of a wrong size"));
        }
        match head.kind {
            Kind::Data => return self.start_data(head),
            Kind::PushPromise => return Err(protocol("PUSH_PROMISE, which is disabled")),
            Kind::Continuation if self.block.open().is_none() => {
                return Err(protocol("CONTINUATION outside a header block"));
            }
            Kind::Priority if head.len != 5 => {
                self.reading = Reading::Skipped(head.len);
                self.flood.priority_came(&self.config)?;
                return self.priority_error(head.stream, ErrorCode::FRAME_SIZE_ERROR);
            }
            Kind::Unknown => {
                self.reading = Reading::Skipped(head.len);
                if head.len == 0 {
                    self.flood.empty_came(&self.config)?;
                }
            }
            _ => self.reading = Reading::Payload(head),
        }
        Ok(None)
    }

    /// A frame other than DATA is there as a whole.
    fn take(
        &mut self,
        head: Head,
        payload: &[u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        match head.kind {
            Kind::Headers => self.take_headers(head, payload, headers),
            Kind::Continuation => self.take_continuation(head, payload, headers),
            Kind::WindowUpdate => self.take_window_update(head.stream, payload),
            Kind::Reset => self.take_reset(head.stream, payload),
            Kind::Settings if head.has(flag::ACK) => self.take_settings_ack(),
            Kind::Settings => self.take_settings(payload),
            Kind::Ping => self.take_ping(head, payload),
            Kind::GoAway => self.take_go_away(payload),
            Kind::Priority => self.take_priority(head.stream, payload),
            // Never read as a whole.
            Kind::Data | Kind::PushPromise | Kind::Unknown => Ok(None),
        }
    }

    /// Whether no frame has ever used the stream: what the peer may not speak of yet.
    fn is_idle(&self, number: u32) -> bool {
        match self.role {
            Role::Server => number.is_multiple_of(2) || number > self.last_peer,
            Role::Client => number.is_multiple_of(2) || number >= self.next_number,
        }
    }

    /// Whether frames of a stream that is gone are to be dropped without a word: the peer may have sent them before it
    /// knew.
    fn is_tolerated(&self, number: u32) -> bool {
        let beyond = matches!(self.leaving, Leaving::Final { last } if self.role == Role::Server && number > last);
        let refused =
            self.role == Role::Client && self.peer_left_at.is_some_and(|last| number > last);
        beyond || refused || self.resets.may_have(number)
    }

    /// Resets a stream for an error of the peer's (RFC 9113, 5.4.2); the caller hears of it if it knows the stream.
    fn stream_error(
        &mut self,
        number: u32,
        code: ErrorCode,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        self.write_reset(number, code);
        let Some(stream) = self.streams.find(number) else {
            return Ok(None);
        };
        self.charge_reset(stream)?;
        let row = self.streams.remove(stream);
        Ok(row.map(|row| Event::Reset {
            stream,
            token: row.token,
            code,
            by_us: true,
        }))
    }

    /// Counts a reset that is the peer's doing, of a stream that is still there: if it is one too many, the stream ends
    /// with the connection.
    fn charge_reset(&mut self, stream: StreamId) -> Result<(), ConnectionError> {
        let unanswered = self.streams.get(stream).is_some_and(Stream::is_unanswered);
        if self.role == Role::Server && unanswered {
            self.flood.unanswered_reset()?;
        }
        Ok(())
    }

    /// The next blocked stream whose own window is open.
    fn next_writable(&mut self) -> Option<Event<'static>> {
        while let Some(stream) = self.blocked.pop_front() {
            let Some(row) = self.streams.get_mut(stream) else {
                continue;
            };
            row.queued = false;
            if row.blocked && row.send_window > 0 {
                row.blocked = false;
                let token = row.token;
                return Some(Event::Writable { stream, token });
            }
        }
        None
    }

    /// The next stream that the peer's GOAWAY leaves out.
    fn next_refused(&mut self) -> Option<Event<'static>> {
        let (last, from) = (self.peer_left_at?, self.refusing_from?);
        let found = self.streams.above(last, from);
        self.refusing_from = found.map(|stream| stream.slot + 1);
        let stream: StreamId = found?;
        let token = self.streams.remove(stream)?.token;
        Some(Event::Refused { stream, token })
    }
}
