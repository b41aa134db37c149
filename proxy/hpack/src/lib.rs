//! Header compression for HTTP/2 (RFC 7541), from and to the flat list of [`headers`].
//!
//! The decoder is complete. The encoder uses the static table and literals only: a dynamic table saves bytes that a mesh
//! does not lack and costs time that it does.

mod decoder;
mod dynamic_table;
mod encoder;
mod error;
mod huffman;
mod integer;
mod static_table;

pub use decoder::{Decoder, Limits, Outcome};
pub use encoder::Encoder;
pub use error::Error;

/// SETTINGS_HEADER_TABLE_SIZE before any SETTINGS (RFC 9113, 6.5.2).
pub const DEFAULT_TABLE_SIZE: usize = 4096;
