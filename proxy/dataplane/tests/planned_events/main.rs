//! What is planned loses no request: whole workers under a load of HTTP/1.1 and HTTP/2 while clients are drained,
//! endpoints leave, certificates change and configurations follow each other.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../forwarding/authority.rs"]
mod authority;
mod certificates;
mod configurations;
mod drains;
mod endpoints;
#[allow(dead_code)] // of what all these tests share, some need less
#[path = "../forwarding/graphs.rs"]
mod graphs;
mod load;
#[allow(dead_code)]
#[path = "../forwarding/peers.rs"]
mod peers;
