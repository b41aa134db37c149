//! One connection.

use headers::Headers;

use crate::exchange::Exchange;
use crate::output::Output;
use crate::receive::Receiving;
use crate::section::Section;
use crate::send::Sending;
use crate::{Config, Error, Event, Role};

/// One HTTP/1 connection: bytes in, events out; messages in, bytes out. Reads no socket and no clock.
///
/// A server takes one request at a time: the next pipelined one is left in `input` until the response to the one
/// before it is over. A client has one request under way at a time.
#[derive(Debug)]
pub struct Connection {
    pub(crate) role: Role,
    pub(crate) config: Config,
    pub(crate) exchange: Exchange,
    pub(crate) receiving: Receiving,
    pub(crate) sending: Sending,
    pub(crate) section: Section,
    /// A field name in lower case while it is read.
    pub(crate) name_buffer: Vec<u8>,
    pub(crate) output: Output,
    /// The next head to go out says `connection: close`.
    pub(crate) closing: bool,
    /// The peer closed its side.
    pub(crate) input_ended: bool,
}

impl Connection {
    /// A fresh connection.
    #[must_use]
    pub fn new(role: Role, config: Config) -> Self {
        let (receiving, sending) = match role {
            Role::Server => (Receiving::Head, Sending::NotDue),
            Role::Client => (Receiving::NotDue, Sending::Due),
        };
        Connection {
            role,
            config,
            exchange: Exchange::default(),
            receiving,
            sending,
            section: Section::default(),
            name_buffer: Vec::new(),
            output: Output::default(),
            closing: false,
            input_ended: false,
        }
    }

    /// The next event, taking from the front of `input` what it is made of. `None`: all that can be used now is used;
    /// what is left in `input` must be given again (some is left only while [`wants_input`](Self::wants_input) is
    /// false). `headers` is cleared and filled by events with fields and left alone by others; after an error it holds
    /// what was read of the head so far.
    ///
    /// # Errors
    /// The peer broke the protocol or a bound; the same error comes again from then on.
    pub fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, Error> {
        let event = self.receive(input, headers);
        if let Err(error) = event {
            self.fail(error);
        }
        event
    }

    /// The peer closed its side, after all input was taken by [`next`](Self::next): what that makes of the message under
    /// way. To be called again while it gives an event. `None` where nothing is under way, and where a request waits
    /// for its response, which may still be sent.
    ///
    /// # Errors
    /// The message was not over.
    pub fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Error> {
        let event = self.receive_end();
        if let Err(error) = event {
            self.fail(error);
        }
        event
    }

    fn fail(&mut self, error: Error) {
        if !matches!(self.receiving, Receiving::Failed(_)) {
            self.receiving = Receiving::Failed(error);
            self.exchange.persistent = false;
            if self.role == Role::Server && self.sending == Sending::NotDue {
                self.sending = Sending::Due;
            }
        }
    }

    /// One side's message is over: goes on to the next exchange if the other's is, too.
    pub(crate) fn settle(&mut self) {
        if self.receiving != Receiving::Over {
            return;
        }
        match self.role {
            _ if !self.exchange.persistent
                && (self.role == Role::Client || self.sending == Sending::Over) =>
            {
                self.receiving = Receiving::Closed;
            }
            Role::Server if self.sending == Sending::Over => {
                self.exchange = Exchange::default();
                self.receiving = Receiving::Head;
                self.sending = Sending::NotDue;
            }
            Role::Client if self.sending == Sending::Over => {
                self.receiving = Receiving::NotDue;
                self.sending = Sending::Due;
            }
            _ => {}
        }
    }

    /// Whether [`next`](Self::next) could use input. False while a request waits for its response, and when nothing more
    /// will be read.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(
            self.receiving,
            Receiving::Undecided | Receiving::Over | Receiving::Closed | Receiving::Failed(_)
        )
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
        let announced = !matches!(self.sending, Sending::NotDue | Sending::Due);
        self.exchange.persistent
            && (announced || !self.closing)
            && !matches!(self.receiving, Receiving::Closed | Receiving::Failed(_))
    }

    /// The next head to go out says `connection: close`, and nothing follows that message.
    pub fn close_after(&mut self) {
        self.closing = true;
    }

    /// Whether the connection is to be closed once [`output`](Self::output) is written.
    #[must_use]
    pub fn should_close(&self) -> bool {
        let sending = matches!(self.sending, Sending::Body(_));
        match (self.role, self.receiving) {
            (_, Receiving::Tunnel | Receiving::Switched) => false,
            (_, Receiving::Closed) if self.exchange.tunnel => !sending,
            (Role::Client, Receiving::Closed | Receiving::Failed(_)) => true,
            (Role::Server, Receiving::Closed) => !sending,
            (Role::Server, _) => !self.exchange.persistent && self.sending == Sending::Over,
            (Role::Client, _) => false,
        }
    }

    /// Whether nothing is under way either way: no message, no piece of a head, nothing to write.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let between = match self.role {
            Role::Server => self.receiving == Receiving::Head && self.section.is_empty(),
            Role::Client => self.receiving == Receiving::NotDue,
        };
        between && self.output.is_empty()
    }

    /// Whether a part of a message's head has come, and not all of it.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        self.receiving == Receiving::Head && !self.section.is_empty()
    }

    /// Of a server: gives up a request whose head does not come to its end. Nothing more is read, and it may be answered.
    pub fn give_up_head(&mut self) {
        self.fail(Error::Truncated);
    }

    /// Gives back memory beyond `bytes` bytes of each buffer: for connections that stay idle.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.section.shrink_to(bytes);
        self.name_buffer.clear();
        self.name_buffer.shrink_to(bytes);
        self.output.shrink_to(bytes);
    }
}
