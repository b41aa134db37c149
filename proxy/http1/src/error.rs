//! What can be wrong with what came in, and with what is asked to go out.

use std::fmt;

/// Why what came in is refused. The connection reads nothing more after one.
///
/// A server answers with [`status`](Error::status) (`send_response` works once more, says `connection: close`) and
/// closes; a client closes, and its caller answers 502 to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The head or the trailers are larger than the bound.
    HeadTooLarge,
    /// The head or the trailers have more fields than the bound.
    TooManyFields,
    /// A request of HTTP/1.0, which this server does not take.
    Http10,
    /// A version other than 1.0 and 1.1, or none as in HTTP/0.9 (RFC 9112, 2.3).
    Version,
    /// The request line does not have the form, or its target none of the four (RFC 9112, 3).
    RequestLine,
    /// The method is no token (RFC 9110, 9.1).
    Method,
    /// The request target is not of the form that the method asks for, or names no host (RFC 9112, 3.2).
    Target,
    /// The request target has a fragment, which none of the forms has.
    Fragment,
    /// The request target is of another scheme than http and https.
    Scheme,
    /// The request target is of https, on a connection to the edge that is no TLS.
    HttpsInPlaintext,
    /// A request without `host` (RFC 9112, 3.2).
    HostMissing,
    /// More than one `host` (RFC 9112, 3.2).
    HostRepeated,
    /// A `host` or an authority that is not one (RFC 9112, 3.2).
    Authority,
    /// A field name that is empty, no token, or followed by white space (RFC 9112, 5.1).
    FieldName,
    /// NUL, CR, LF or another control character in a field value (RFC 9110, 5.5) or in the request target.
    InvalidCharacter,
    /// A field folded over lines (RFC 9112, 5.2).
    ObsoleteFold,
    /// A `content-length` that is no number, too large, or differs from another one (RFC 9112, 6.3).
    ContentLength,
    /// Both `content-length` and `transfer-encoding` (RFC 9112, 6.1).
    LengthAndTransferEncoding,
    /// A `transfer-encoding` with more than one `chunked` at its end (RFC 9112, 6.1).
    TransferEncoding,
    /// A `transfer-encoding` that does not end with `chunked` (RFC 9112, 6.3; Envoy answers 501 to this, too).
    ChunkedNotLast,
    /// A `transfer-encoding` where none may be: in HTTP/1.0, a 1xx or a 204 (RFC 9112, 6.1).
    TransferEncodingNotAllowed,
    /// A `content-length` where none may be: in a 1xx or a 204 (RFC 9110, 8.6).
    ContentLengthNotAllowed,
    /// Content in a CONNECT (RFC 9110, 9.3.6).
    BodyNotAllowed,
    /// `connection` nominates what may not be nominated, or too much (RFC 9110, 7.6.1).
    ConnectionField,
    /// Chunked content is broken (RFC 9112, 7.1).
    Chunk,
    /// The status line does not have the form (RFC 9112, 4).
    StatusLine,
    /// Something came on a client's connection when no response was due (RFC 9112, 9.2).
    Unsolicited,
    /// A 101 to a request that asked for no upgrade, or is not over (RFC 9110, 7.8).
    UnexpectedUpgrade,
    /// More informational responses than the bound.
    TooManyInformational,
    /// The peer closed before the message was over (RFC 9112, 8).
    Truncated,
    /// The peer closed before the first byte of the response: the request may be sent again where a retry allows it.
    ClosedBeforeResponse,
}

impl Error {
    /// The status that a server answers with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Error::HeadTooLarge | Error::TooManyFields => 431,
            Error::Http10 | Error::Version => 426,
            Error::HttpsInPlaintext => 403,
            Error::TransferEncoding => 501,
            Error::Unsolicited
            | Error::UnexpectedUpgrade
            | Error::TooManyInformational
            | Error::StatusLine
            | Error::ClosedBeforeResponse => 502,
            _ => 400,
        }
    }

    /// The response code details as Envoy logs them.
    #[must_use]
    pub const fn details(self) -> &'static str {
        match self {
            Error::HeadTooLarge => "http1.headers_too_large",
            Error::TooManyFields => "http1.too_many_headers",
            Error::Http10 | Error::Version => "low_version",
            Error::Target => "http1.invalid_url",
            Error::Fragment => "path_normalization_failed",
            Error::Scheme => "http1.invalid_scheme",
            Error::HttpsInPlaintext => "http1.https_url_on_plaintext_connection",
            Error::Authority => "http.invalid_authority",
            Error::HostMissing => "missing_host_header",
            Error::InvalidCharacter => "http1.invalid_characters",
            Error::LengthAndTransferEncoding => "http1.content_length_and_chunked_not_allowed",
            Error::TransferEncoding | Error::ChunkedNotLast => "http1.invalid_transfer_encoding",
            Error::TransferEncodingNotAllowed => "http1.transfer_encoding_not_allowed",
            Error::ContentLengthNotAllowed => "http1.content_length_not_allowed",
            Error::BodyNotAllowed => "http1.body_disallowed",
            Error::ConnectionField => "http1.connection_header_rejected",
            _ => "http1.codec_error",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::HeadTooLarge => "the head is larger than the bound",
            Error::TooManyFields => "the head has more fields than the bound",
            Error::Http10 => "HTTP/1.0 is not taken",
            Error::Version => "version other than 1.0 and 1.1",
            Error::RequestLine => "malformed request line",
            Error::Method => "the method is no token",
            Error::Target => "malformed request target",
            Error::Fragment => "fragment in the request target",
            Error::Scheme => "scheme other than http and https",
            Error::HttpsInPlaintext => "target of https on a connection without TLS",
            Error::HostMissing => "no host field",
            Error::HostRepeated => "several host fields",
            Error::Authority => "malformed host or authority",
            Error::FieldName => "malformed field name",
            Error::InvalidCharacter => "control character in a field value or in the target",
            Error::ObsoleteFold => "field folded over lines",
            Error::ContentLength => "malformed or differing content-length",
            Error::LengthAndTransferEncoding => "both content-length and transfer-encoding",
            Error::TransferEncoding => "transfer-encoding with more than chunked",
            Error::ChunkedNotLast => "transfer-encoding that does not end with chunked",
            Error::TransferEncodingNotAllowed => "transfer-encoding where none may be",
            Error::ContentLengthNotAllowed => "content-length where none may be",
            Error::BodyNotAllowed => "content in a CONNECT",
            Error::ConnectionField => "connection nominates what may not be nominated",
            Error::Chunk => "malformed chunk",
            Error::StatusLine => "malformed status line",
            Error::Unsolicited => "bytes came when no response was due",
            Error::UnexpectedUpgrade => "101 to a request that asked for no upgrade",
            Error::TooManyInformational => "informational responses on and on",
            Error::Truncated => "closed before the message was over",
            Error::ClosedBeforeResponse => "closed before the response began",
        })
    }
}

impl std::error::Error for Error {}

/// Why a message cannot go out. Nothing of the call was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The call does not fit what was sent and received before it.
    OutOfTurn,
    /// A pseudo-header field that the head needs is absent or malformed.
    Head,
    /// A field whose name or value would break the message's form.
    Field,
    /// More content than `content-length` said (RFC 9112, 6.3).
    TooLong,
    /// Less content than `content-length` said: the connection must be closed.
    TooShort,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::OutOfTurn => "call out of turn",
            SendError::Head => "pseudo-header field absent or malformed",
            SendError::Field => "field name or value that would break the message",
            SendError::TooLong => "more content than content-length said",
            SendError::TooShort => "less content than content-length said",
        })
    }
}

impl std::error::Error for SendError {}
