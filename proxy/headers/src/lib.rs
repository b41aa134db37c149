//! The header section of one message as the data path keeps it: a flat list of fields whose bytes share one
//! buffer, with a slot for each name that the proxy itself reads or writes.
//!
//! A hash map costs more than the whole codec for the dozen fields of a usual request; here a known name is one
//! array access, any other a scan. Order and repetition are kept as they came, as a proxy must (RFC 9110, 5.3).

#[cfg(test)]
mod tests;

mod known;
mod list;

pub use known::Known;
pub use list::{Field, Headers};
