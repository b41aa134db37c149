//! Requests that go out.

use headers::{Headers, Known};

use crate::exchange::Exchange;
use crate::head_writer::{self, Closing};
use crate::method::{self, Method};
use crate::octets::{is_target, is_token};
use crate::receive::Receiving;
use crate::send::{Content, Sending};
use crate::{BodyLength, Connection, Role, SendError};

impl Connection {
    /// Begins a request. With [`BodyLength::Empty`] it is over with that. A head with `upgrade` asks for an upgrade;
    /// CONNECT takes no content before its tunnel.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_request(&mut self, headers: &Headers, body: BodyLength) -> Result<(), SendError> {
        if self.role != Role::Client
            || self.sending != Sending::Due
            || self.receiving != Receiving::NotDue
        {
            return Err(SendError::OutOfTurn);
        }
        let name = headers
            .get(Known::Method)
            .filter(|m| is_token(m))
            .ok_or(SendError::Head)?;
        let method = Method::of(name);
        let authority = headers
            .get(Known::Authority)
            .or_else(|| headers.get(Known::Host));
        let target = match method {
            Method::Connect => authority,
            // Any other beginning would say another authority than :authority to the next server.
            _ => headers
                .get(Known::Path)
                .filter(|p| p.starts_with(b"/") || *p == b"*"),
        };
        let target = target.filter(|t| is_target(t)).ok_or(SendError::Head)?;
        if method == Method::Connect && body != BodyLength::Empty {
            return Err(SendError::OutOfTurn);
        }
        let framing = match body {
            BodyLength::Empty | BodyLength::Exact(0) => head_writer::Framing::Empty {
                say: !method::foresees_no_content(name),
            },
            BodyLength::Exact(n) => head_writer::Framing::Length(n),
            BodyLength::Unknown => head_writer::Framing::Chunked,
        };
        let upgrade = headers.has(Known::Upgrade) && method == Method::Other;
        let closing = if self.closing {
            Closing::Close
        } else {
            Closing::Silent
        };
        self.write(|out| {
            out.extend_from_slice(name);
            out.push(b' ');
            out.extend_from_slice(target);
            out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
            head_writer::value(authority.unwrap_or_default(), out)?;
            out.extend_from_slice(b"\r\n");
            head_writer::fields(headers, framing, closing, upgrade, true, out)
        })?;
        self.exchange = Exchange {
            method,
            upgrade,
            persistent: !self.closing,
            ..Exchange::default()
        };
        self.receiving = Receiving::Head;
        self.begin_content(match body {
            BodyLength::Empty | BodyLength::Exact(0) => None,
            BodyLength::Exact(n) => Some(Content::Sized(n)),
            BodyLength::Unknown => Some(Content::Chunked),
        });
        Ok(())
    }
}
