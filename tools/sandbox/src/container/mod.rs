//! Containers: what one is made of, its life, and programs executed beside it.

mod exec;
mod life;
mod spec;
mod terminal;

pub use exec::{Exec, ExecSpec, Killer};
pub use life::{Container, Exit};
pub use spec::{ContainerSpec, Mount, MountSource};
pub use terminal::{Size, Terminal};

/// For [`Container::signal`].
pub use nix::sys::signal::Signal;
