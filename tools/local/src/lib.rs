//! The one-machine mesh: kubelet, controllers, service addresses and DNS of a cluster, for one machine.

pub mod admission;
pub mod api;
pub mod apply;
pub mod controller;
pub mod daemon;
mod dial;
pub mod dns;
pub mod event;
pub mod export;
pub mod forwards;
pub mod fronts;
pub mod kubelet;
pub mod logs;
pub mod manifest;
pub mod mesh;
pub mod object;
mod pace;
pub mod print;
pub mod random;
pub mod reconcile;
pub mod runtime;
pub mod store;
pub mod token;

pub use mesh::{Mesh, MeshError, Options};

/// Runs a container's first process and does not return, if this process was started as one. Call it first
/// in `main` of every program that starts a [`Mesh`].
pub fn run_if_asked() {
    sandbox::reexec::run_if_asked();
}
