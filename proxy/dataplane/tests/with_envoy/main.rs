//! One hop of mutual TLS with an Envoy at one end and our data plane at the other.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../forwarding/authority.rs"]
mod authority;
mod envoy;
#[allow(dead_code)] // of what all these tests share, some need less
#[path = "../forwarding/graphs.rs"]
mod graphs;
mod hashing;
mod http1;
#[allow(dead_code)]
#[path = "../forwarding/peers.rs"]
mod peers;
