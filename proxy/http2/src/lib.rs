//! HTTP/2 (RFC 9113) for a proxy, without input and output of its own: bytes in, events and bytes out. No socket,
//! runtime, task or clock; whoever owns those feeds [`Connection::next`] with what it read and writes what
//! [`Connection::output`] holds.
//!
//! One [`Connection`] is one side of one connection. A stream is a row in a slab; nothing is allocated for a request
//! once the connection has carried as many streams and bytes before.
//!
//! # How long a stream lives
//! A [`StreamId`] and the token given with it are valid from [`Connection::open`] or [`Event::Headers`] of kind
//! [`HeadersKind::Request`] until the first of:
//! - both ends have ended: an event had `end_stream` and `send_headers`/`send_data` accepted `end_stream`;
//! - [`Event::Reset`] or [`Event::Refused`] came for it;
//! - the caller called [`Connection::reset`].
//!
//! Those still open when [`Connection::next`] gives an error, or when the transport ends, are named by
//! [`Connection::streams`].
//!
//! Each stream ends in exactly one of these ways, so a caller that frees its slot there frees it exactly once. Calls with
//! an id that is no longer valid do nothing: ids are never used again.
//!
//! # Receive credit
//! Every byte of [`Event::Data`] is owed to the peer until it is passed to [`Connection::release`], whether its stream
//! still lives or not: it takes memory of the proxy until then. Padding and DATA without event are given back at once.
//!
//! # Memory
//! What a peer can make a connection hold has the constant bound [`Config::memory_bound`]; the output buffer holds what
//! the caller sent besides.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod closed;
mod config;
mod connection;
mod credit;
mod error;
mod event;
mod fields;
mod flood;
mod leaving;
mod output;
mod receive;
mod send;
mod settings;
mod stream;
mod streams;
mod wire;

pub use config::{Config, Role};
pub use connection::Connection;
pub use error::{ConnectionError, ErrorCode, OpenError};
pub use event::{Event, HeadersKind, NO_TOKEN, StreamId};
