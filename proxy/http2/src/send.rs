//! What the caller sends.

use headers::{Field, Headers, Known};
use hpack::Encoder;

use crate::leaving::Leaving;
use crate::stream::{Half, Method, Stream};
use crate::wire::{self, DEFAULT_FRAME, HEAD, Kind, MAX_31, flag};
use crate::{Connection, ErrorCode, OpenError, Role, StreamId};

/// The most bytes of one DATA frame that we send, whatever the peer takes: what fits one TLS record, so that a stream
/// with much to send does not hold up the others.
const MOST_DATA: u32 = DEFAULT_FRAME;

impl Connection {
    /// Opens a stream with a request. Connection-specific fields of `headers`, which HTTP/2 does not have (RFC 9113,
    /// 8.2.2), are left out; all other rules are the caller's to keep.
    ///
    /// # Errors
    /// Why not; nothing was sent then.
    pub fn open(
        &mut self,
        headers: &Headers,
        end_stream: bool,
        token: u32,
    ) -> Result<StreamId, OpenError> {
        self.may_open()?;
        let number = self.next_number;
        self.next_number += 2;
        let method = match headers.get(Known::Method) {
            Some(b"HEAD") => Method::Head,
            Some(b"CONNECT") => Method::Connect,
            _ => Method::Other,
        };
        let id = self.streams.insert(Stream {
            number,
            token,
            send_window: self.peer.initial_window.cast_signed(),
            recv_window: self.recv_initial.cast_signed(),
            send: if end_stream { Half::Closed } else { Half::Body },
            recv: Half::Headers,
            method,
            ..Stream::FREE
        });
        self.flood.stream_opened();
        self.write_section(number, headers, end_stream);
        Ok(id)
    }

    /// Whether [`Connection::open`] would open a stream now.
    #[must_use]
    pub fn can_open(&self) -> bool {
        self.may_open().is_ok()
    }

    fn may_open(&self) -> Result<(), OpenError> {
        if self.role == Role::Server {
            Err(OpenError::NotAClient)
        } else if self.is_going_away() {
            Err(OpenError::GoingAway)
        } else if self.next_number > MAX_31 {
            Err(OpenError::IdsExhausted)
        } else if self.streams.len() >= self.peer.max_concurrent_streams as usize {
            Err(OpenError::TooManyStreams)
        } else {
            Ok(())
        }
    }

    /// Sends a response, an informational response (`:status` 1xx, never with `end_stream`) or, after the final response
    /// (of a client: after the request), trailers, which always end the stream. Connection-specific fields are left out.
    /// Not subject to flow control: a caller looks at [`Connection::output_len`] before it sends sections on and on.
    pub fn send_headers(&mut self, stream: StreamId, headers: &Headers, end_stream: bool) {
        let Some(row) = self.streams.get_mut(stream) else {
            return;
        };
        let end_stream = match row.send {
            Half::Closed => return,
            Half::Body => true,
            Half::Headers => {
                if headers.get(Known::Status).and_then(<[u8]>::first) == Some(&b'1') {
                    self.write_section(stream.number, headers, false);
                    return;
                }
                row.send = Half::Body;
                self.flood.refill_resets(1, &self.config);
                end_stream
            }
        };
        self.write_section(stream.number, headers, end_stream);
        if end_stream {
            self.sent_end(stream);
        }
    }

    /// Sends content and says how much of it was accepted: what both windows allow. `end_stream` counts only if all was
    /// accepted; without bytes it always is. What was cut short gets an [`crate::Event::Writable`]. Accepts nothing where no
    /// content may be sent: before the response's headers, after the end, on a stream that is gone.
    pub fn send_data(&mut self, stream: StreamId, bytes: &[u8], end_stream: bool) -> usize {
        let Some(row) = self.streams.get_mut(stream) else {
            return 0;
        };
        if row.send != Half::Body {
            return 0;
        }
        let window = usize::try_from(row.send_window.min(self.send_window)).unwrap_or(0);
        let accepted = bytes.len().min(window);
        let whole = accepted == bytes.len();
        let end = end_stream && whole;
        row.blocked = !whole;
        // What is accepted fits a window of 31 bits.
        let counted = i32::try_from(accepted).unwrap_or(i32::MAX);
        row.send_window -= counted;
        // Where its own window is open it waits for the connection's.
        let waits_in_line = row.blocked && row.send_window > 0;
        self.send_window -= counted;

        let most = self.peer.max_frame_size.min(MOST_DATA) as usize;
        let mut rest = bytes.get(..accepted).unwrap_or_default();
        let out = self.output.buffer();
        while !rest.is_empty() {
            let (frame, later) = rest.split_at(rest.len().min(most));
            let flags = if end && later.is_empty() {
                flag::END_STREAM
            } else {
                0
            };
            out.extend_from_slice(&wire::head(frame.len(), Kind::Data, flags, stream.number));
            out.extend_from_slice(frame);
            self.flood.data_sent();
            rest = later;
        }
        if end && bytes.is_empty() {
            out.extend_from_slice(&wire::head(0, Kind::Data, flag::END_STREAM, stream.number));
        }
        if waits_in_line {
            self.queue_blocked(stream);
        }
        if end {
            self.sent_end(stream);
        }
        accepted
    }

    /// How many bytes `send_data` would accept now.
    #[must_use]
    pub fn send_window(&self, stream: StreamId) -> usize {
        self.streams
            .get(stream)
            .filter(|row| row.send == Half::Body)
            .map_or(0, |row| {
                usize::try_from(row.send_window.min(self.send_window)).unwrap_or(0)
            })
    }

    /// Resets a stream, which is gone then: no event follows. CANCEL and NO_ERROR are what a proxy usually has to say.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        if self.streams.remove(stream).is_some() {
            self.write_reset(stream.number, code);
        }
    }

    /// Sends a PING: [`crate::Event::PingAck`] follows.
    pub fn ping(&mut self, opaque: [u8; 8]) {
        self.pings += 1;
        wire::ping(false, opaque, self.output.buffer());
    }

    /// Gives back `n` of [`crate::Config::reset_budget`]: for a caller that has a clock.
    pub fn refill_reset_budget(&mut self, n: u32) {
        self.flood.refill_resets(n, &self.config);
    }

    /// Says RST_STREAM for a stream that has no row any more.
    pub(crate) fn write_reset(&mut self, number: u32, code: ErrorCode) {
        if self.leaving == Leaving::Broken {
            return;
        }
        wire::reset(number, code, self.output.buffer());
        self.output.count_control();
        self.resets.remember(number, self.config.remembered_resets);
    }

    /// Puts a stream that was cut short in the queue, once.
    pub(crate) fn queue_blocked(&mut self, stream: StreamId) {
        let Some(row) = self.streams.get_mut(stream) else {
            return;
        };
        if std::mem::replace(&mut row.queued, true) {
            return;
        }
        // Streams that are gone stay in the queue: not more of them than are open, and a few.
        if self.blocked.len() > 2 * self.streams.len() + 16 {
            self.blocked.retain(|id| self.streams.get(*id).is_some());
        }
        self.blocked.push_back(stream);
    }

    fn sent_end(&mut self, stream: StreamId) {
        if let Some(row) = self.streams.get_mut(stream) {
            row.send = Half::Closed;
            row.blocked = false;
        }
        self.close_if_over(stream);
    }

    /// Writes a field section as HEADERS and, where it is larger than the peer's frames, CONTINUATION.
    fn write_section(&mut self, number: u32, headers: &Headers, end_stream: bool) {
        let out = self.output.buffer();
        let start = out.len();
        out.extend_from_slice(&[0; HEAD]);
        self.encoder.begin(out);
        let block = out.len();
        if !encode_in_order(&self.encoder, headers, out) {
            out.truncate(block);
            encode_pseudo_first(&self.encoder, headers, out);
        }
        let end_stream = if end_stream { flag::END_STREAM } else { 0 };
        let most = self.peer.max_frame_size as usize;
        let len = out.len() - start - HEAD;
        if len > most {
            write_in_frames(out, start, most, end_stream, number);
            return;
        }
        let head = wire::head(len, Kind::Headers, flag::END_HEADERS | end_stream, number);
        if let Some(place) = out.get_mut(start..start + HEAD) {
            place.copy_from_slice(&head);
        }
    }
}

fn is_pseudo(field: &Field<'_>) -> bool {
    field.known.is_some_and(Known::is_pseudo)
}

/// Encodes a list as it stands; says whether its pseudo-header fields came first, as they must (RFC 9113, 8.3).
fn encode_in_order(encoder: &Encoder, headers: &Headers, out: &mut Vec<u8>) -> bool {
    let mut regular = false;
    for field in headers.iter() {
        if is_pseudo(&field) {
            if regular {
                return false;
            }
        } else {
            regular = true;
        }
        encode_field(encoder, &field, out);
    }
    true
}

/// Encodes a list to which the caller added pseudo-header fields at its end.
#[cold]
fn encode_pseudo_first(encoder: &Encoder, headers: &Headers, out: &mut Vec<u8>) {
    let first = headers.iter().filter(is_pseudo);
    let then = headers.iter().filter(|field| !is_pseudo(field));
    for field in first.chain(then) {
        encode_field(encoder, &field, out);
    }
}

/// Encodes a field unless HTTP/2 does not have it.
#[inline(always)]
fn encode_field(encoder: &Encoder, field: &Field<'_>, out: &mut Vec<u8>) {
    let left_out = match field.known {
        Some(Known::Te) => !field.value.eq_ignore_ascii_case(b"trailers"),
        Some(known) => known.is_hop_by_hop(),
        None => false,
    };
    if !left_out {
        encoder.encode_field(field, out);
    }
}

/// Cuts the block that lies after a place for a frame's header at `start` into frames of `most` bytes.
fn write_in_frames(out: &mut Vec<u8>, start: usize, most: usize, end_stream: u8, number: u32) {
    let block = out.split_off(start + HEAD);
    out.truncate(start);
    let mut rest = block.as_slice();
    let mut kind = Kind::Headers;
    let mut flags = end_stream;
    while !rest.is_empty() {
        let (frame, later) = rest.split_at(rest.len().min(most));
        if later.is_empty() {
            flags |= flag::END_HEADERS;
        }
        out.extend_from_slice(&wire::head(frame.len(), kind, flags, number));
        out.extend_from_slice(frame);
        (kind, flags, rest) = (Kind::Continuation, 0, later);
    }
}
