//! What a connection tells its caller.

use crate::ErrorCode;

/// The token of a stream for which none was set.
pub const NO_TOKEN: u32 = u32::MAX;

/// One stream of one connection: its number on the wire, and its place in the connection's slab, so that a call with it
/// needs no search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    pub(crate) number: u32,
    pub(crate) slot: u32,
}

impl StreamId {
    /// The stream identifier of RFC 9113, 5.1.1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }
}

/// What a field section is (RFC 9113, 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadersKind {
    /// A request: the stream is new.
    Request,
    /// A response of status 1xx: another follows.
    Informational,
    /// The final response.
    Response,
    /// Trailers: they end the stream's receiving side.
    Trailers,
}

/// One thing that happened on a connection. `token` is what the caller set for the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// A field section came; it is in the `headers` given to [`crate::Connection::next`].
    Headers {
        /// Whose section it is.
        stream: StreamId,
        /// The caller's number for the stream; [`NO_TOKEN`] in a new request.
        token: u32,
        /// What it is.
        kind: HeadersKind,
        /// The peer sends nothing more on this stream.
        end_stream: bool,
        /// It went beyond our limits: `headers` holds the fields that came before they were reached, and rules that
        /// need the whole section (mandatory pseudo-header fields, content-length) were not checked. A request is to
        /// be answered with 431, anything else reset.
        too_large: bool,
    },
    /// Content came. A DATA frame comes in as many pieces as its bytes do.
    Data {
        /// Whose content it is.
        stream: StreamId,
        /// The caller's number for the stream.
        token: u32,
        /// The content; empty only with `end_stream`. Owed to the peer until [`crate::Connection::release`].
        bytes: &'i [u8],
        /// The peer sends nothing more on this stream.
        end_stream: bool,
    },
    /// The stream was reset and is gone.
    Reset {
        /// Which was it.
        stream: StreamId,
        /// The caller's number for the stream.
        token: u32,
        /// Why.
        code: ErrorCode,
        /// We reset it, for an error of the peer's; else the peer did.
        by_us: bool,
    },
    /// The peer went away without processing the stream, which is gone: safe to send again elsewhere.
    Refused {
        /// Which was it.
        stream: StreamId,
        /// The caller's number for the stream.
        token: u32,
    },
    /// The peer will take no new streams. Those up to `last_stream` go on; an [`Event::Refused`] follows for each other.
    GoAway {
        /// The number of the last stream that the peer may have processed.
        last_stream: u32,
        /// Why.
        code: ErrorCode,
    },
    /// A stream whose `send_data` was cut short can send again. Comes once for each time it was cut short, in the order
    /// in which streams were.
    Writable {
        /// Which is it.
        stream: StreamId,
        /// The caller's number for the stream.
        token: u32,
    },
    /// The peer's first SETTINGS arrived, or new ones allow more streams: [`crate::Connection::can_open`] may have
    /// changed.
    Opened,
    /// A PING of ours came back.
    PingAck {
        /// What was sent with it.
        opaque: [u8; 8],
    },
}
