//! Access-log formats compiled once and rendered per request.

mod entry;
mod template;

pub use entry::{Entry, Flags, Protocol};
pub use template::Template;

use std::sync::Arc;

/// A file access log (`FileAccessLog` with its filter).
#[derive(Debug)]
pub struct AccessLog {
    /// Where lines go: a file, `/dev/stdout` or `/dev/stderr`.
    pub path: Arc<str>,
    /// Only entries with one of these flags; none: all.
    pub flags: Flags,
    /// What is written.
    pub format: Template,
}
