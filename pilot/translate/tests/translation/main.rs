//! Translation as its users see it: snapshots in, resources out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod conflicts;
mod gateway;
mod grpc;
mod node;
mod origin;
mod recomputing;
mod routes;
mod sidecar;
#[allow(dead_code)]
mod world;
