//! What holds for every stream of bytes, however it is cut and whatever is in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../drive/mod.rs"]
#[allow(dead_code)] // each test program uses its part
mod drive;

mod cut;
mod forwarded;
mod hostile;
mod random;
mod round_trip;
