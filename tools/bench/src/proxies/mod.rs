//! The proxies that are compared, each as processes of its own.

mod process;
mod sidecar;
mod usage;

pub(crate) use process::{Process, free_port};
pub(crate) use sidecar::{Program, start};
pub(crate) use usage::Usage;
