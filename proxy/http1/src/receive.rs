//! What comes in, state by state.

use headers::Headers;

use crate::chunk::{Chunks, Step};
use crate::exchange::Exchange;
use crate::fields::{self, Place};
use crate::framing::Framing;
use crate::method::Method;
use crate::octets::token_lower;
use crate::send::Sending;
use crate::{Connection, Error, Event, Role, request, response, status_line};

/// Where in what comes in the connection stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Receiving {
    /// On a client: no request is under way; whatever comes is unsolicited.
    NotDue,
    /// Before or in a head.
    Head,
    /// In content with so many bytes to come.
    Sized(u64),
    /// In chunked content.
    Chunked(Chunks),
    /// In the trailer section.
    Trailers,
    /// In content that ends with the connection.
    UntilClose,
    /// The message is over, but not yet told to be.
    Ending,
    /// On a server: the request, CONNECT or with an upgrade, is read; the response decides what follows.
    Undecided,
    /// The message is over; the other side's is not yet.
    Over,
    /// The connection became a tunnel, which is not yet told.
    Switched,
    /// In a tunnel.
    Tunnel,
    /// Nothing more is read.
    Closed,
    /// The peer broke the protocol.
    Failed(Error),
}

impl PartialEq for Receiving {
    /// Whether it is the same state; how far in it does not matter.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Connection {
    pub(crate) fn receive<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, Error> {
        match self.receiving {
            Receiving::Head => self.receive_head(input, headers),
            Receiving::Sized(left) => Ok(self.receive_sized(input, left)),
            Receiving::Chunked(chunks) => self.receive_chunk(chunks, input, headers),
            Receiving::Trailers => self.receive_trailers(input, headers),
            Receiving::Ending => {
                self.receiving = Receiving::Over;
                self.settle();
                Ok(Some(Event::End))
            }
            Receiving::Switched => {
                self.receiving = Receiving::Tunnel;
                Ok(Some(Event::Tunnel))
            }
            Receiving::UntilClose | Receiving::Tunnel => {
                let data = std::mem::take(input);
                if !data.is_empty() {
                    return Ok(Some(Event::Data(data)));
                }
                Ok(self.input_ended.then(|| self.close_delimited()))
            }
            Receiving::NotDue if !input.is_empty() => Err(Error::Unsolicited),
            Receiving::NotDue | Receiving::Undecided | Receiving::Over | Receiving::Closed => {
                Ok(None)
            }
            Receiving::Failed(error) => Err(error),
        }
    }

    pub(crate) fn receive_end(&mut self) -> Result<Option<Event<'static>>, Error> {
        self.input_ended = true;
        match self.receiving {
            Receiving::Ending | Receiving::Switched => {
                self.receive(&mut &[][..], &mut Headers::new())
            }
            Receiving::UntilClose | Receiving::Tunnel => Ok(Some(self.close_delimited())),
            Receiving::Head if self.role == Role::Server && self.section.is_empty() => {
                self.receiving = Receiving::Closed;
                Ok(None)
            }
            Receiving::Head
                if self.role == Role::Client
                    && self.section.is_empty()
                    && self.exchange.informed == 0 =>
            {
                Err(Error::ClosedBeforeResponse)
            }
            Receiving::Head | Receiving::Sized(_) | Receiving::Chunked(_) | Receiving::Trailers => {
                Err(Error::Truncated)
            }
            Receiving::Undecided | Receiving::Over => {
                self.exchange.persistent = false;
                self.settle();
                Ok(None)
            }
            Receiving::NotDue => {
                self.receiving = Receiving::Closed;
                Ok(None)
            }
            Receiving::Closed => Ok(None),
            Receiving::Failed(error) => Err(error),
        }
    }

    fn close_delimited(&mut self) -> Event<'static> {
        self.receiving = Receiving::Closed;
        Event::End
    }

    fn receive_head<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, Error> {
        let max = self.config.max_head_bytes;
        if self.section.is_empty() {
            match self.role {
                Role::Server => {
                    self.section.skip_empty_lines(input, max)?;
                    // What is no HTTP at all (a TLS record) is refused at once, not when a line has come.
                    if input.first().is_some_and(|b| token_lower(*b) == 0) {
                        return Err(Error::RequestLine);
                    }
                }
                Role::Client => {
                    if input
                        .iter()
                        .zip(status_line::PREFIX)
                        .any(|(is, should)| is != should)
                    {
                        return Err(Error::StatusLine);
                    }
                }
            }
        }
        let Some(section) = self.section.take(input, max)? else {
            return Ok(None);
        };
        match self.role {
            Role::Server => {
                let head = request::read(section, &self.config, &mut self.name_buffer, headers)?;
                Ok(Some(self.begin_request(&head)))
            }
            Role::Client => {
                let method = self.exchange.method;
                let head = response::read(
                    section,
                    method,
                    &self.config,
                    &mut self.name_buffer,
                    headers,
                )?;
                self.begin_response(&head).map(Some)
            }
        }
    }

    fn begin_request(&mut self, head: &request::RequestHead) -> Event<'static> {
        self.exchange = Exchange {
            method: head.method,
            version: head.version,
            upgrade: head.upgrade,
            persistent: head.persistent,
            drop_trailers: head.nominates,
            ..Exchange::default()
        };
        self.sending = Sending::Due;
        self.receiving = match head.framing {
            Framing::Sized(n) => Receiving::Sized(n),
            Framing::Chunked => Receiving::Chunked(Chunks::new()),
            _ => self.after_content(),
        };
        Event::Request {
            version: head.version,
            body: head.framing.body(),
            upgrade: head.upgrade,
            expect_continue: head.expect_continue,
        }
    }

    fn begin_response(&mut self, head: &response::ResponseHead) -> Result<Event<'static>, Error> {
        if head.status == 101 && !(self.exchange.upgrade && self.sending == Sending::Over) {
            return Err(Error::UnexpectedUpgrade);
        }
        if head.status < 200 && head.status != 101 {
            self.exchange.informed += 1;
            if self.exchange.informed > self.config.max_informational {
                return Err(Error::TooManyInformational);
            }
            return Ok(Event::Informational);
        }
        self.exchange.persistent &= head.persistent;
        self.exchange.drop_trailers = head.nominates;
        self.receiving = match head.framing {
            Framing::None => Receiving::Ending,
            Framing::Sized(n) => Receiving::Sized(n),
            Framing::Chunked => Receiving::Chunked(Chunks::new()),
            Framing::UntilClose => Receiving::UntilClose,
            Framing::Tunnel => {
                self.become_tunnel();
                Receiving::Switched
            }
        };
        Ok(Event::Response {
            version: head.version,
            body: head.framing.body(),
        })
    }

    /// What follows the content: on a server, a request that wants a tunnel waits for its answer.
    fn after_content(&self) -> Receiving {
        let wants_tunnel = self.exchange.upgrade || self.exchange.method == Method::Connect;
        if self.role == Role::Server && wants_tunnel && matches!(self.sending, Sending::Due) {
            Receiving::Undecided
        } else {
            Receiving::Ending
        }
    }

    fn receive_sized<'i>(&mut self, input: &mut &'i [u8], left: u64) -> Option<Event<'i>> {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input
            .split_at_checked(n)
            .filter(|(data, _)| !data.is_empty())?;
        *input = rest;
        let left = left - n as u64;
        self.receiving = if left == 0 {
            self.after_content()
        } else {
            Receiving::Sized(left)
        };
        Some(Event::Data(data))
    }

    fn receive_chunk<'i>(
        &mut self,
        mut chunks: Chunks,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, Error> {
        let step = chunks.next(input, self.config.max_chunk_line)?;
        self.receiving = Receiving::Chunked(chunks);
        match step {
            Step::Data(data) => Ok(Some(Event::Data(data))),
            Step::More => Ok(None),
            Step::Last => {
                self.receiving = Receiving::Trailers;
                self.receive_trailers(input, headers)
            }
        }
    }

    fn receive_trailers<'i>(
        &mut self,
        input: &mut &'i [u8],
        headers: &mut Headers,
    ) -> Result<Option<Event<'i>>, Error> {
        let Some(section) = self.section.take(input, self.config.max_head_bytes)? else {
            return Ok(None);
        };
        if matches!(section, b"\r\n" | b"\n") {
            self.receiving = self.after_content();
            return self.receive(input, headers);
        }
        headers.clear();
        let response = self.role == Role::Client;
        fields::read(
            section,
            Place::Trailers { response },
            &self.config,
            &mut self.name_buffer,
            headers,
        )?;
        if self.exchange.drop_trailers {
            headers.clear();
        }
        self.receiving = self.after_content();
        if headers.is_empty() {
            return self.receive(input, headers);
        }
        Ok(Some(Event::Trailers))
    }
}
