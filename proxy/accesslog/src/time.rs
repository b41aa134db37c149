//! Points in time as text, in UTC.

mod civil;
mod format;

pub(crate) use civil::Civil;
pub(crate) use format::TimeFormat;
