//! The xDS transport protocol (delta and state-of-the-world) apart from what is configured with it:
//! resources with versions, pure session state machines, the wire form, and the tonic service.

pub mod configuration;
mod protocol;
mod resource;
pub mod server;
pub mod session;
mod stream;
mod wire;

pub use resource::{Resource, TypeUrl, Version};
