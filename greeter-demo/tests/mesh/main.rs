//! The whole mesh on this machine, driven through `lateen` as its user drives it.
//!
//! Environment: `LATEEN_BIN` (the `lateen` program), `LATEEN_DEMO` (the `demo` program), `LATEEN_IMAGES`
//! (`REFERENCE=FILE` of each image, separated by spaces), `LATEEN_ENVOY` (an Envoy binary). Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod article;
mod bad_input;
mod clock;
mod clock_skew;
mod crash;
mod expiry;
mod full_disk;
mod gateway;
mod harness;
mod host;
mod interrupted;
mod kubectl;
mod outage;
mod privilege;
mod probes;
mod proxy_config;
mod proxy_status;
mod rollout;
mod routing;
mod strict;
mod traffic;
