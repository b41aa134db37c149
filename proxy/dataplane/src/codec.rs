//! Both versions of HTTP behind one face, as far as they are alike.

use headers::{Headers, Known};
use http1::BodyLength;
use http2::{ErrorCode, StreamId};

/// The codec of one connection.
#[derive(Debug)]
pub(crate) enum Codec {
    Http1(Box<http1::Connection>),
    Http2(Box<http2::Connection>),
}

/// Where in a connection a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that is under way.
    Http1,
    /// This stream.
    Http2(StreamId),
}

/// Bytes in a codec's output beyond which it takes no more of a body.
pub(crate) const ENOUGH_OUTPUT: usize = 256 << 10;

impl Codec {
    pub(crate) fn output(&self) -> &[u8] {
        match self {
            Codec::Http1(c) => c.output(),
            Codec::Http2(c) => c.output(),
        }
    }

    /// Whether so much waits to be written that no body is taken. (What windows hold back, the codec tells by itself.)
    /// Heads are under no flow control: who sends them on and on looks at this, too.
    pub(crate) fn is_full(&self) -> bool {
        self.output().len() >= ENOUGH_OUTPUT
    }

    /// Gives back the memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        match self {
            Codec::Http1(c) if c.is_idle() => c.shrink_to(0),
            Codec::Http2(c) if c.active_streams() == 0 => c.shrink(),
            _ => {}
        }
    }

    pub(crate) fn advance(&mut self, n: usize) {
        match self {
            Codec::Http1(c) => c.advance(n),
            Codec::Http2(c) => c.advance(n),
        }
    }

    /// Sends the head of an answer. Whether it could be sent.
    pub(crate) fn respond(&mut self, place: Place, headers: &Headers, end: bool) -> bool {
        match (self, place) {
            (Codec::Http1(c), Place::Http1) => {
                let sent = c.send_response(headers, length(headers, end)).is_ok();
                sent && (!end || c.finish().is_ok())
            }
            (Codec::Http2(c), Place::Http2(stream)) => {
                c.send_headers(stream, headers, end);
                true
            }
            _ => false,
        }
    }

    /// Sends an informational answer.
    pub(crate) fn inform(&mut self, place: Place, headers: &Headers) {
        match (self, place) {
            (Codec::Http1(c), Place::Http1) => drop(c.send_informational(headers)),
            (Codec::Http2(c), Place::Http2(stream)) => c.send_headers(stream, headers, false),
            _ => {}
        }
    }

    /// Sends a part of a body; how much of it was taken. `end` holds once all is taken.
    pub(crate) fn data(&mut self, place: Place, bytes: &[u8], end: bool) -> usize {
        match (self, place) {
            (Codec::Http1(c), Place::Http1) => {
                // An end without content always has room: nothing would ask for it again.
                let full = c.output().len() >= ENOUGH_OUTPUT;
                if !bytes.is_empty() && (full || c.send_data(bytes).is_err()) {
                    return 0;
                }
                if end {
                    let _ = c.finish();
                }
                bytes.len()
            }
            (Codec::Http2(c), Place::Http2(stream)) => {
                if !bytes.is_empty() && c.output().len() >= ENOUGH_OUTPUT {
                    return 0;
                }
                c.send_data(stream, bytes, end)
            }
            _ => 0,
        }
    }

    /// Sends trailers, which end the message.
    pub(crate) fn trailers(&mut self, place: Place, trailers: &Headers) {
        match (self, place) {
            (Codec::Http1(c), Place::Http1) => {
                let _ = c.send_trailers(trailers);
                let _ = c.finish();
            }
            (Codec::Http2(c), Place::Http2(stream)) => c.send_headers(stream, trailers, true),
            _ => {}
        }
    }

    /// Gives back what was received and has gone on, so that the peer may send as much again.
    pub(crate) fn release(&mut self, place: Place, n: usize) {
        if let (Codec::Http2(c), Place::Http2(stream)) = (self, place) {
            c.release(stream, n);
        }
    }

    /// Ends a stream early. An HTTP/1 connection cannot: its owner closes it.
    pub(crate) fn reset(&mut self, place: Place, code: ErrorCode) {
        if let (Codec::Http2(c), Place::Http2(stream)) = (self, place) {
            c.reset(stream, code);
        }
    }
}

/// How a message's body is delimited on HTTP/1.
pub(crate) fn length(headers: &Headers, end: bool) -> BodyLength {
    if end {
        return BodyLength::Empty;
    }
    match headers
        .get(Known::ContentLength)
        .and_then(|v| std::str::from_utf8(v).ok())
        .and_then(|v| v.parse().ok())
    {
        Some(n) => BodyLength::Exact(n),
        None => BodyLength::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_end_without_content_is_taken_though_the_output_is_full() {
        let mut codec = http1::Connection::new(http1::Role::Server, http1::Config::default());
        let mut headers = Headers::new();
        let mut input: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        while codec.next(&mut input, &mut headers).unwrap().is_some() {}
        let mut codec = Codec::Http1(Box::new(codec));
        let mut answer = Headers::new();
        answer.push_known(Known::Status, b"200");
        assert!(codec.respond(Place::Http1, &answer, false));
        let body = vec![b'x'; ENOUGH_OUTPUT];
        assert_eq!(codec.data(Place::Http1, &body, false), body.len());
        assert!(codec.is_full());
        assert_eq!(codec.data(Place::Http1, b"more", false), 0);
        codec.data(Place::Http1, b"", true);
        assert!(codec.output().ends_with(b"\r\n0\r\n\r\n"));
    }
}
