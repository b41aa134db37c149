//! The proxy process: how it is started, asked, drained and ended.

pub mod admin;
pub mod command;
pub mod reaper;
pub mod readiness;
pub mod supervise;
