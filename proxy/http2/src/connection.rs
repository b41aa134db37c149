//! One side of one connection.

use headers::Headers;

use crate::{Config, ConnectionError, ErrorCode, Event, OpenError, Role, StreamId};

/// One side of one connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    output: Vec<u8>,
}

impl Connection {
    /// A new connection. Its preface and SETTINGS are in the output.
    #[must_use]
    pub fn new(role: Role, config: Config) -> Self {
        Connection {
            role,
            config,
            output: Vec::new(),
        }
    }

    /// The next event of what is in `input`, whose front it consumes; None once `input` is empty. An incomplete frame
    /// is kept inside. `headers` is cleared and filled when the event is [`Event::Headers`]. Call it also with empty
    /// input after anything else was called.
    ///
    /// # Errors
    /// The peer broke the connection; the GOAWAY is in the output. Every further call gives the same error.
    pub fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        let _ = (headers, self.role, self.config);
        *input = &[];
        Ok(None)
    }

    /// Opens a stream with a request. Connection-specific fields of `headers` are left out.
    ///
    /// # Errors
    /// Why not; nothing was sent then.
    pub fn open(
        &mut self,
        headers: &Headers,
        end_stream: bool,
        token: u32,
    ) -> Result<StreamId, OpenError> {
        let _ = (headers, end_stream, token);
        Err(OpenError::GoingAway)
    }

    /// Whether [`Connection::open`] would open a stream now.
    #[must_use]
    pub fn can_open(&self) -> bool {
        false
    }

    /// Sets the caller's number for a stream, which every event of it carries from then on.
    pub fn set_token(&mut self, stream: StreamId, token: u32) {
        let _ = (stream, token);
    }

    /// Sends a response, an informational response (`:status` 1xx) or, after the final response (of a client: after the
    /// request), trailers, which always end the stream. Connection-specific fields are left out.
    pub fn send_headers(&mut self, stream: StreamId, headers: &Headers, end_stream: bool) {
        let _ = (stream, headers, end_stream);
    }

    /// Sends content and says how much of it was accepted: what both windows allow. `end_stream` counts only if all was
    /// accepted; with no bytes it always is. What was cut short gets an [`Event::Writable`].
    pub fn send_data(&mut self, stream: StreamId, bytes: &[u8], end_stream: bool) -> usize {
        let _ = (stream, bytes, end_stream);
        0
    }

    /// How many bytes `send_data` would accept now.
    #[must_use]
    pub fn send_window(&self, stream: StreamId) -> usize {
        let _ = stream;
        0
    }

    /// Resets a stream, which is gone then: no event follows.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        let _ = (stream, code);
    }

    /// Gives the peer credit for `n` bytes of [`Event::Data`] that left the proxy, also of a stream that is gone.
    pub fn release(&mut self, stream: StreamId, n: usize) {
        let _ = (stream, n);
    }

    /// Gives back `n` of [`Config::reset_budget`]: for a caller that has a clock.
    pub fn refill_reset_budget(&mut self, n: u32) {
        let _ = n;
    }

    /// Sends a PING: [`Event::PingAck`] follows.
    pub fn ping(&mut self, opaque: [u8; 8]) {
        let _ = opaque;
    }

    /// Sends GOAWAY at once. With NO_ERROR the streams that are open go on; with any other code the connection is
    /// closed once the output is written.
    pub fn go_away(&mut self, code: ErrorCode) {
        let _ = code;
    }

    /// Leaves gracefully (RFC 9113, 6.8): GOAWAY with 2^31-1 and a PING, and once that is acknowledged GOAWAY with the
    /// last stream taken.
    pub fn drain(&mut self) {}

    /// Whether it was drained: no stream is open and none can come.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        false
    }

    /// Whether the connection is over: write the output, then close it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        false
    }

    /// How many streams are open.
    #[must_use]
    pub fn active_streams(&self) -> usize {
        0
    }

    /// The streams that are open and their tokens: what ends with the transport.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, u32)> {
        std::iter::empty()
    }

    /// What is to be written to the peer.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// `n` bytes of the output were written.
    pub fn advance(&mut self, n: usize) {
        self.output.drain(..n.min(self.output.len()));
    }

    /// How many bytes are to be written.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Gives back memory that an idle connection does not need.
    pub fn shrink(&mut self) {
        self.output.shrink_to_fit();
    }
}
