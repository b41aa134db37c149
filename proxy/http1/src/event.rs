//! What comes out of a connection.

/// The version that a message says it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How long the content of a message is, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// The message ends with its head. (A `content-length` of the answer to HEAD, or of a 304, stays a field.)
    Empty,
    /// As `content-length` says, in bytes, more than none.
    Exact(u64),
    /// Ends when it ends: chunked, or with the connection. Trailers may follow.
    Unknown,
}

/// One thing that came in. Heads and trailers are in the [`Headers`](headers::Headers) given to
/// [`Connection::next`](crate::Connection::next).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// The head of a request: `:method`, `:path` (absent with CONNECT), `:authority` (absent where HTTP/1.0 names
    /// none) and the fields, without those that speak of this connection only.
    Request {
        /// As the request line says.
        version: Version,
        /// What [`Data`](Event::Data) will bring.
        body: BodyLength,
        /// The peer would change to the protocol in `upgrade` (RFC 9110, 7.8). When the content is over, nothing
        /// more is read until the response has begun: [`Tunnel`](Event::Tunnel) follows a 101, else [`End`](Event::End).
        upgrade: bool,
        /// The peer may wait for a 100 (RFC 9110, 10.1.1). `expect` is still among the fields.
        expect_continue: bool,
    },
    /// The head of an interim response: `:status` from 100 to 199 without 101, and fields. Others follow.
    Informational,
    /// The head of the final response, or 101: `:status` and the fields, without those that speak of this connection
    /// only (`upgrade` stays in a 101).
    Response {
        /// As the status line says.
        version: Version,
        /// What [`Data`](Event::Data) will bring.
        body: BodyLength,
    },
    /// A piece of content, never empty; of whatever passes once there is a [`Tunnel`](Event::Tunnel).
    Data(&'i [u8]),
    /// The trailers of chunked content. [`End`](Event::End) follows.
    Trailers,
    /// The message is over.
    End,
    /// The connection speaks another protocol from here (101, or 2xx to CONNECT): what comes is
    /// [`Data`](Event::Data) until the peer closes, then [`End`](Event::End).
    Tunnel,
}
