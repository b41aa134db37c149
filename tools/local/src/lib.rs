//! The one-machine mesh: kubelet, controllers, service addresses and DNS of a cluster, for one machine.

pub mod controller;
pub mod object;
pub mod random;
pub mod store;
pub mod kubelet;
