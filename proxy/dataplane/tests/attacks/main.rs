//! Hostile clients and hostile endpoints: they are cut off or bounded, and others on the same worker go on being served.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)]
#[path = "../forwarding/authority.rs"]
mod authority;
mod bystander;
#[allow(dead_code)] // of what these tests share with those of forwarding, some need less
#[path = "../forwarding/graphs.rs"]
mod graphs;
mod handshakes;
mod http1_clients;
mod http1_endpoints;
mod http2_clients;
mod http2_endpoints;
#[allow(dead_code)]
#[path = "../forwarding/peers.rs"]
mod peers;
mod raw;
mod slow;
mod tunnels;
mod victim;
