//! What a connection is told when it is made.

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends requests, receives responses.
    Client,
    /// Receives requests, sends responses.
    Server,
}

/// The bounds of one connection. The defaults are Envoy's where Envoy has the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of a head (first line and fields, line ends included) or of a trailer section, in bytes
    /// (`max_request_headers_kb`). Beyond it: [`Error::HeadTooLarge`](crate::Error::HeadTooLarge). This is also all
    /// that a connection ever keeps of its input.
    pub max_head_bytes: usize,
    /// Fields of a head or of a trailer section (`max_headers_count`). Beyond it:
    /// [`Error::TooManyFields`](crate::Error::TooManyFields).
    pub max_fields: usize,
    /// Whether requests of HTTP/1.0 are taken (`accept_http_10`) and not refused with
    /// [`Error::Http10`](crate::Error::Http10). Responses of HTTP/1.0 are always taken.
    pub accept_http_10: bool,
    /// Whether methods are taken beyond those that Envoy's parser knows (`allow_custom_methods`); else
    /// [`Error::Method`](crate::Error::Method).
    pub allow_custom_methods: bool,
    /// Whether targets of https are refused with [`Error::HttpsInPlaintext`](crate::Error::HttpsInPlaintext): where
    /// this is the edge, and the connection no TLS.
    pub refuse_https: bool,
    /// Informational responses before the final one, of a client. Beyond it:
    /// [`Error::TooManyInformational`](crate::Error::TooManyInformational). They are passed on at once, whether or not
    /// the client takes them.
    pub max_informational: u32,
    /// Bytes of one chunk's size line, extensions included (RFC 9112, 7.1.1: a recipient bounds them). None of them
    /// is kept.
    pub max_chunk_line: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_head_bytes: 60 * 1024,
            max_fields: 100,
            accept_http_10: false,
            allow_custom_methods: false,
            refuse_https: false,
            max_informational: 32,
            max_chunk_line: 1024,
        }
    }
}
