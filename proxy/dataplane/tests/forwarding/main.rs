//! Requests through a running data plane, between a client and servers that are not ours.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod authority;
mod carried;
mod endpoints;
mod graphs;
mod hashing;
mod http;
mod metrics;
mod mirrors;
mod mutual_tls;
mod peers;
mod raw;
mod tcp;
mod timeouts;
mod upgrades;
