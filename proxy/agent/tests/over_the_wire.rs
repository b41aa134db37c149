//! The agent's parts against a control plane, a proxy and an application in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod over_the_wire {
    mod certificate;
    mod relay;
    mod secrets;
    mod status;
}
mod support;
