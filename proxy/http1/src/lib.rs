//! HTTP/1.x for a proxy (RFC 9112): bytes in, events and bytes out; no runtime, no clock, no socket.
//!
//! A message comes out as HTTP/2 presents one (RFC 9113, 8.3): names in lower case, the request line as `:method`,
//! `:path` and `:authority`, the status line as `:status`, and nothing that speaks of the connection only. `:scheme` is
//! for the caller to add, who knows how the connection came.
//!
//! Where RFC 9112 lets a recipient choose, the choice is Envoy 1.40's, but for what two recipients could read
//! differently (folded lines, bare CR, several hosts, white space in the request line, junk after a chunk): that is
//! refused. A bare LF ends a line of a head, as with Envoy; in chunked content it is an error, as with Envoy.

#[cfg(test)]
mod tests;

mod authority;
mod chunk;
mod config;
mod connection;
mod connection_field;
mod digits;
mod error;
mod event;
mod exchange;
mod fields;
mod framing;
mod head_writer;
mod method;
mod octets;
mod output;
mod reason;
mod receive;
mod request;
mod request_line;
mod response;
mod section;
mod send;
mod send_request;
mod send_response;
mod status_line;

pub use config::{Config, Role};
pub use connection::Connection;
pub use error::{Error, SendError};
pub use event::{BodyLength, Event, Version};
pub use method::foresees_no_content;
