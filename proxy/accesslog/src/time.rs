//! Points in time as text, in UTC.

pub(crate) mod civil;
mod format;

use civil::Civil;
pub(crate) use format::TimeFormat;
