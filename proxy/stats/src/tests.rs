//! Counting, merging, naming.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod counting;
mod exposition;
mod istio;
mod names;
mod queries;
