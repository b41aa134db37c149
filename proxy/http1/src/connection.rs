//! One connection.

use headers::Headers;

use crate::output::Output;
use crate::{BodyLength, Config, Error, Event, Role, SendError};

/// One HTTP/1 connection: bytes in, events out; messages in, bytes out. Reads no socket and no clock.
///
/// A server takes one request at a time: the next pipelined one is left in `input` until the response to the one
/// before it is over. A client has one request under way at a time.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    output: Output,
}

impl Connection {
    /// A fresh connection.
    #[must_use]
    pub fn new(role: Role, config: Config) -> Self {
        Connection {
            role,
            config,
            output: Output::default(),
        }
    }

    /// The next event, taking from the front of `input` what it is made of. `None`: all that can be used now is used;
    /// what is left in `input` must be given again (only while [`wants_input`](Self::wants_input) is false).
    /// `headers` is cleared and filled by events with fields and left alone by others.
    ///
    /// # Errors
    /// The peer broke the protocol or a bound; the same error comes again from then on.
    pub fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, Error> {
        let _ = (input, headers, self.role, self.config);
        Ok(None)
    }

    /// The peer closed its side, after all input was taken by [`next`](Self::next): what that makes of the message under
    /// way, `None` where there is none.
    ///
    /// # Errors
    /// The message was not over.
    pub fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Error> {
        Ok(None)
    }

    /// Whether [`next`](Self::next) would use further input. False while a request waits for the end of its response,
    /// and when nothing more will be read.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        true
    }

    /// Begins a request. With [`BodyLength::Empty`] it is over with that.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_request(&mut self, headers: &Headers, body: BodyLength) -> Result<(), SendError> {
        let _ = (headers, body);
        Ok(())
    }

    /// Begins the final response, or the 101, to the request under way or to what [`next`](Self::next) refused. With
    /// [`BodyLength::Empty`] it is over with that.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_response(&mut self, headers: &Headers, body: BodyLength) -> Result<(), SendError> {
        let _ = (headers, body);
        Ok(())
    }

    /// An interim response (`:status` 100 to 199 without 101) before the final one. Nothing goes to a peer of HTTP/1.0
    /// (RFC 9110, 15.2).
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_informational(&mut self, headers: &Headers) -> Result<(), SendError> {
        let _ = headers;
        Ok(())
    }

    /// Content of the message under way; dropped where that message may have none (answers to HEAD, 204, 304).
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_data(&mut self, data: &[u8]) -> Result<(), SendError> {
        self.output.tail().extend_from_slice(data);
        Ok(())
    }

    /// Ends the message under way with these trailers; they are left out where its framing has no place for them.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_trailers(&mut self, trailers: &Headers) -> Result<(), SendError> {
        let _ = trailers;
        Ok(())
    }

    /// Ends the message under way. Nothing to do, and no error, when it is over already.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn finish(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// What is to be written now.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// `n` bytes of [`output`](Self::output) were written.
    pub fn advance(&mut self, n: usize) {
        self.output.advance(n);
    }

    /// Whether another message may follow on this connection once the one under way is over, as far as is known now.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        true
    }

    /// The next head to go out says `connection: close`, and nothing follows that message.
    pub fn close_after(&mut self) {}

    /// Whether the connection is to be closed once [`output`](Self::output) is written.
    #[must_use]
    pub fn should_close(&self) -> bool {
        false
    }

    /// Whether nothing is under way either way: no message, no piece of a head, nothing to write.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.output.is_empty()
    }

    /// Gives back memory beyond `bytes` bytes of each buffer: for connections that stay idle.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.output.shrink_to(bytes);
    }
}
