//! The proxies that are compared, each as processes of its own.

mod haproxy;
mod hop;
mod nginx;
mod process;
mod program;
mod sidecar;
mod usage;

pub(crate) use hop::FileHop;
pub(crate) use process::{Process, free_port};
pub(crate) use program::{Program, Takes, found};
pub(crate) use sidecar::start;
pub(crate) use usage::Usage;
