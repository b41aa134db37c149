//! Containers: what one is made of, its life, and programs executed beside it.

mod exec;
mod life;
mod spec;

pub use exec::{Exec, ExecSpec, Killer};
pub use life::{Container, Exit};
pub use spec::{ContainerSpec, Mount, MountSource};

/// For [`Container::signal`].
pub use nix::sys::signal::Signal;
