//! After many requests and many configurations nothing has piled up, and nobody got another's bytes.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod echo;
#[allow(dead_code)] // of what these tests share with those of forwarding, some need less
#[path = "../forwarding/graphs.rs"]
mod graphs;
#[allow(dead_code)]
#[path = "../forwarding/peers.rs"]
mod peers;
mod quiet;
mod turmoil;
