//! Endpoints as one worker uses them.

pub(crate) mod cluster;
pub(crate) mod host;
pub(crate) mod source;
