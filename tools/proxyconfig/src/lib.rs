//! What a proxy is configured with, as `istioctl proxy-config` shows it: Envoy's `/config_dump` and `/clusters?format=json`
//! in, tables out. And whether it is what the pilot has for it, as `istioctl proxy-status` shows it.
//!
//! Both are read as JSON, not as the types of one version of Envoy: what a newer proxy adds is passed over.

pub mod assignment;
pub mod bootstrap;
pub mod cluster;
pub mod compare;
pub mod dump;
pub mod ecds;
pub mod endpoint;
pub mod listener;
pub mod route;
pub mod secret;
pub mod sync;
mod table;

pub use table::Listing;

#[cfg(test)]
mod tests;
