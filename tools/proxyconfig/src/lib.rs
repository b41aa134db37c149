//! What a proxy is configured with, as `istioctl proxy-config` shows it: Envoy's `/config_dump` and `/clusters?format=json`
//! in, tables out.
//!
//! Both are read as JSON, not as the types of one version of Envoy: what a newer proxy adds is passed over.

pub mod cluster;
pub mod dump;
pub mod endpoint;
pub mod listener;
pub mod route;
pub mod secret;
mod table;

#[cfg(test)]
mod tests;
