//! Access-log formats compiled once and rendered per request.
//!
//! A format is Envoy's (`SubstitutionFormatString`): operators are resolved to slots and enums when it is compiled, and
//! rendering allocates nothing but what the caller's buffer grows. The same templates make values of header fields.

#[cfg(test)]
mod tests;

mod digits;
mod entry;
mod error;
mod filter;
mod flags;
mod json;
mod operator;
mod syntax;
mod template;
mod time;

pub use entry::{Downstream, Entry, Protocol, Tls, Upstream};
pub use error::FormatError;
pub use filter::{Comparison, Filter};
pub use flags::Flags;
pub use json::{JsonTemplate, Value};
pub use operator::shown_server_name;
pub use template::Template;

use std::sync::Arc;

/// A file access log (`FileAccessLog` with its filter).
#[derive(Debug)]
pub struct AccessLog {
    /// Where lines go: a file, `/dev/stdout` or `/dev/stderr`.
    pub path: Arc<str>,
    /// Which entries are written.
    pub filter: Filter,
    /// What is written of them.
    pub format: Format,
}

/// What a line looks like (`SubstitutionFormatString`).
#[derive(Debug, Clone)]
pub enum Format {
    /// `text_format`: the text carries its own end of line.
    Text(Template),
    /// `json_format`: an object and an end of line.
    Json(JsonTemplate),
}

impl AccessLog {
    /// Appends the entry's line, if the filter lets it pass.
    pub fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        if !self.filter.passes(entry) {
            return;
        }
        match &self.format {
            Format::Text(template) => template.render(entry, out),
            Format::Json(template) => template.render(entry, out),
        }
    }

    /// Names of the operators in the format that Envoy knows and that never have a value here.
    #[must_use]
    pub fn unserved(&self) -> Vec<&str> {
        match &self.format {
            Format::Text(template) => template.unserved().collect(),
            Format::Json(template) => template.unserved().collect(),
        }
    }
}
