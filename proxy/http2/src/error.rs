//! Error codes (RFC 9113, 7) and the errors of this crate.

use std::fmt;

/// An error code of RST_STREAM and GOAWAY. Unknown ones are carried as they came (RFC 9113, 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal),+ $(,)?) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: ErrorCode = ErrorCode($value);)+

            /// The name in RFC 9113, 7, of a code defined there.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some(stringify!($name)),)+ _ => None }
            }
        }
    };
}

codes! {
    /// Not an error: graceful shutdown, or a request that need not be sent on.
    NO_ERROR = 0x0,
    /// The peer broke the protocol in a way that no other code names.
    PROTOCOL_ERROR = 0x1,
    /// A fault of ours.
    INTERNAL_ERROR = 0x2,
    /// More DATA than the window allowed, or a window beyond 2^31-1.
    FLOW_CONTROL_ERROR = 0x3,
    /// SETTINGS were not acknowledged in time.
    SETTINGS_TIMEOUT = 0x4,
    /// A frame for a half-closed or closed stream.
    STREAM_CLOSED = 0x5,
    /// A frame of a size that its type or SETTINGS forbid.
    FRAME_SIZE_ERROR = 0x6,
    /// The stream was not processed at all: safe to send again.
    REFUSED_STREAM = 0x7,
    /// The stream is no longer wanted.
    CANCEL = 0x8,
    /// The header block cannot be decoded; the compression state is lost.
    COMPRESSION_ERROR = 0x9,
    /// The connection behind a CONNECT failed.
    CONNECT_ERROR = 0xa,
    /// The peer sends what looks like a flood.
    ENHANCE_YOUR_CALM = 0xb,
    /// The transport is not secure enough.
    INADEQUATE_SECURITY = 0xc,
    /// HTTP/1.1 is wanted instead.
    HTTP_1_1_REQUIRED = 0xd,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The peer broke the connection as a whole (RFC 9113, 5.4.1). The GOAWAY that says so is in the output; every stream is
/// over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// The code of the GOAWAY.
    pub code: ErrorCode,
    /// What the peer did, for logs.
    pub reason: &'static str,
}

pub(crate) const fn broken(code: ErrorCode, reason: &'static str) -> ConnectionError {
    ConnectionError { code, reason }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

impl std::error::Error for ConnectionError {}

/// Why a stream was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The connection goes away, by either side: use another.
    GoingAway,
    /// As many streams as the peer allows are open: one must end first.
    TooManyStreams,
    /// All 2^30 ids were used: use another connection.
    IdsExhausted,
    /// A server opens no streams: it does not push.
    NotAClient,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::GoingAway => "the connection goes away",
            OpenError::TooManyStreams => "the peer allows no more streams",
            OpenError::IdsExhausted => "all stream ids were used",
            OpenError::NotAClient => "a server opens no streams",
        })
    }
}

impl std::error::Error for OpenError {}
