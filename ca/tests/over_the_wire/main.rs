//! The authority as its callers see it: a tonic client over TLS on a loopback port.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod credentials;
mod forwarding;
mod harness;
mod lifecycle;
mod requests;
