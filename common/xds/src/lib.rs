//! The xDS transport protocol (delta and state-of-the-world) apart from what is configured with it:
//! resources with versions, pure session state machines, the wire form, and the tonic services.

mod resource;
pub mod session;
pub mod wire;

pub use resource::{Resource, TypeUrl, Version};
