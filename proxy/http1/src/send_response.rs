//! Responses that go out.

use headers::{Headers, Known};

use crate::head_writer::{self, Closing};
use crate::method::Method;
use crate::receive::Receiving;
use crate::send::{Content, Sending};
use crate::{BodyLength, Connection, Role, SendError, Version, reason, status_line};

impl Connection {
    /// Begins the final response, or the 101, to the request under way or to what [`next`](Self::next) refused. With
    /// [`BodyLength::Empty`] it is over with that. Begun before the request is over, it says `connection: close`.
    ///
    /// A 101 (after all content of a request with `upgrade`) and a 2xx to CONNECT make a tunnel of the connection;
    /// `body` does not matter then.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_response(&mut self, headers: &Headers, body: BodyLength) -> Result<(), SendError> {
        if self.role != Role::Server || self.sending != Sending::Due {
            return Err(SendError::OutOfTurn);
        }
        let (status, digits) = status(headers)?;
        let undecided = self.receiving == Receiving::Undecided;
        let connected = self.exchange.method == Method::Connect && (200..300).contains(&status);
        let switched = status == 101 && self.exchange.upgrade;
        if (status < 200 && !switched) || ((switched || connected) && !undecided) {
            return Err(SendError::OutOfTurn);
        }
        if switched && !headers.has(Known::Upgrade) {
            return Err(SendError::Head);
        }
        let (framing, content) =
            self.response_framing(status, switched || connected, headers, body);
        let early = matches!(
            self.receiving,
            Receiving::Sized(_) | Receiving::Chunked(_) | Receiving::Trailers
        );
        let persistent =
            self.exchange.persistent && !self.closing && !early && content != Some(Content::Raw);
        let closing = match (persistent, self.exchange.version) {
            _ if switched || connected => Closing::Silent,
            (false, _) => Closing::Close,
            (true, Version::Http10) => Closing::KeepAlive,
            (true, Version::Http11) => Closing::Silent,
        };
        let prefix: &[u8] = if self.exchange.version == Version::Http10 {
            b"0 "
        } else {
            b"1 "
        };
        self.write(|out| {
            status_line(prefix, status, digits, out);
            head_writer::fields(headers, framing, closing, switched, false, out)
        })?;
        self.exchange.persistent = persistent;
        if switched || connected {
            self.become_tunnel();
            self.receiving = Receiving::Switched;
        } else {
            if undecided {
                self.receiving = Receiving::Ending;
            }
            self.begin_content(content);
        }
        Ok(())
    }

    /// How a response is framed, in its head and after it.
    fn response_framing(
        &self,
        status: u16,
        tunnel: bool,
        headers: &Headers,
        body: BodyLength,
    ) -> (head_writer::Framing, Option<Content>) {
        use head_writer::Framing as Said;
        let old = self.exchange.version == Version::Http10;
        if tunnel || status == 204 {
            return (
                Said::Nothing,
                (!tunnel && body != BodyLength::Empty).then_some(Content::Dropped),
            );
        }
        if self.exchange.method == Method::Head || status == 304 {
            let said = match body {
                BodyLength::Exact(n) => Said::Length(n),
                _ if headers.has(Known::ContentLength) => Said::AsField,
                // Envoy's guess of what GET would have answered.
                _ if status != 304 && !old => Said::Chunked,
                _ => Said::Nothing,
            };
            return (
                said,
                (body != BodyLength::Empty).then_some(Content::Dropped),
            );
        }
        match body {
            BodyLength::Empty | BodyLength::Exact(0) => (Said::Empty { say: true }, None),
            BodyLength::Exact(n) => (Said::Length(n), Some(Content::Sized(n))),
            BodyLength::Unknown if old => (Said::Nothing, Some(Content::Raw)),
            BodyLength::Unknown => (Said::Chunked, Some(Content::Chunked)),
        }
    }

    /// An interim response (`:status` 100 to 199 without 101) before the final one. Nothing goes to a peer of HTTP/1.0
    /// (RFC 9110, 15.2).
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_informational(&mut self, headers: &Headers) -> Result<(), SendError> {
        let (status, digits) = status(headers)?;
        let failed = matches!(self.receiving, Receiving::Failed(_));
        if self.role != Role::Server
            || self.sending != Sending::Due
            || failed
            || status >= 200
            || status == 101
        {
            return Err(SendError::OutOfTurn);
        }
        if self.exchange.version == Version::Http10 {
            return Ok(());
        }
        self.write(|out| {
            status_line(b"1 ", status, digits, out);
            head_writer::fields(
                headers,
                head_writer::Framing::Nothing,
                Closing::Silent,
                false,
                false,
                out,
            )
        })
    }
}

fn status(headers: &Headers) -> Result<(u16, &[u8]), SendError> {
    let digits = headers.get(Known::Status).ok_or(SendError::Head)?;
    Ok((
        status_line::status_of(digits).ok_or(SendError::Head)?,
        digits,
    ))
}

fn status_line(minor: &[u8], status: u16, digits: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(status_line::PREFIX);
    out.extend_from_slice(minor);
    out.extend_from_slice(digits);
    out.push(b' ');
    out.extend_from_slice(reason::phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}
