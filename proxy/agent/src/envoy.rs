//! The proxy process: how it is started, asked, drained and ended.

pub mod admin;
pub mod command;
pub mod readiness;
pub mod reaper;
pub mod supervise;
