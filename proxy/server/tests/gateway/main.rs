//! A gateway's configuration, as a pilot of Istio's gives it, in an Envoy and in our own data plane: the same callers
//! must see the same.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod behind;
mod callers;
mod certificates;
mod changes;
mod pilot;
mod planes;
mod requests;
mod resources;
mod tls;
