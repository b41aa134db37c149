//! Containers and a network for the pods of one machine.
//!
//! The runtime under `lateen local`: a [`network::Network`] is the node (a private network
//! namespace with the pods' veths and the service addresses), a [`container::Container`] is one
//! process tree with namespaces and a root of its own. Nothing is changed in the caller's
//! namespaces, and nothing outlives the calling process.
//!
//! A program that starts containers calls [`reexec::run_if_asked`] first in `main`: the stages of
//! a container run in the same executable.

pub mod capabilities;
pub mod cgroup;
pub mod cleanup;
pub mod container;
mod cri_log;
pub mod error;
pub mod network;
mod process_identity;
pub mod reexec;
mod stage;
mod wire;

pub use cleanup::cleanup;
pub use error::Error;
