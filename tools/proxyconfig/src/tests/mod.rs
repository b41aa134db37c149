//! Tables, by what proxies and pilots say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod comparisons;
mod dumps;
mod statuses;
