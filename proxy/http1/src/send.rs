//! What goes out: content, and the end of a message.

use headers::Headers;

use crate::{Connection, Role, SendError, digits, head_writer};

/// Where in what goes out the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// On a server: no request has come to answer.
    NotDue,
    /// A message may begin.
    Due,
    /// In a message's content, which may be none.
    Body(Content),
    /// The message is over.
    Over,
}

/// How the content that goes out is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// So many bytes to go.
    Sized(u64),
    /// In chunks.
    Chunked,
    /// As it is, until the connection closes.
    Raw,
    /// Not at all: the answer to HEAD, a 204, a 304.
    Dropped,
}

impl Connection {
    /// Content of the message under way; dropped where that message may have none (answers to HEAD, 204, 304).
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_data(&mut self, data: &[u8]) -> Result<(), SendError> {
        let Sending::Body(content) = &mut self.sending else {
            return if data.is_empty() {
                Ok(())
            } else {
                Err(SendError::OutOfTurn)
            };
        };
        match content {
            Content::Dropped => {}
            Content::Raw => self.output.tail().extend_from_slice(data),
            Content::Sized(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(SendError::TooLong)?;
                self.output.tail().extend_from_slice(data);
            }
            Content::Chunked if data.is_empty() => {}
            Content::Chunked => {
                let out = self.output.tail();
                digits::hexadecimal(data.len() as u64, out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(data);
                out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    /// Ends the message under way with these trailers; they are left out where its framing has no place for them.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_trailers(&mut self, trailers: &Headers) -> Result<(), SendError> {
        if self.sending != Sending::Body(Content::Chunked) {
            return self.finish();
        }
        self.write(|out| {
            out.extend_from_slice(b"0\r\n");
            head_writer::trailers(trailers, out)
        })?;
        self.end_message();
        Ok(())
    }

    /// Ends the message under way; in a tunnel, this side of it. Nothing to do, and no error, when it is over already;
    /// an error where a response is due that has not begun.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn finish(&mut self) -> Result<(), SendError> {
        match self.sending {
            Sending::Over | Sending::NotDue => return Ok(()),
            // On a client that is between requests the last one is over, too.
            Sending::Due if self.role == Role::Client => return Ok(()),
            Sending::Due => return Err(SendError::OutOfTurn),
            Sending::Body(Content::Sized(left)) if left > 0 => {
                self.exchange.persistent = false;
                self.end_message();
                return Err(SendError::TooShort);
            }
            Sending::Body(Content::Chunked) => self.output.tail().extend_from_slice(b"0\r\n\r\n"),
            Sending::Body(_) => {}
        }
        self.end_message();
        Ok(())
    }

    pub(crate) fn begin_content(&mut self, content: Option<Content>) {
        match content {
            Some(content) => self.sending = Sending::Body(content),
            None => self.end_message(),
        }
    }

    fn end_message(&mut self) {
        self.sending = Sending::Over;
        self.settle();
    }

    pub(crate) fn become_tunnel(&mut self) {
        self.exchange.tunnel = true;
        self.exchange.persistent = false;
        self.sending = Sending::Body(Content::Raw);
    }

    /// Lets `write` append, and takes it back if that fails.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let out = self.output.tail();
        let before = out.len();
        let written = write(out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }
}
