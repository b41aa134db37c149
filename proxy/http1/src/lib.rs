//! HTTP/1.x for a proxy (RFC 9112): bytes in, events and bytes out; no runtime, no clock, no socket.
//!
//! A message comes out as HTTP/2 presents one (RFC 9113, 8.3): names in lower case, the request line as `:method`,
//! `:path` and `:authority`, the status line as `:status`, and nothing that speaks of the connection only. `:scheme` is
//! for the caller to add, who knows how the connection came.

mod config;
mod connection;
mod error;
mod event;
mod output;

pub use config::{Config, Role};
pub use connection::Connection;
pub use error::{Error, SendError};
pub use event::{BodyLength, Event, Version};
