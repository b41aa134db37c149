//! The xDS transport protocol (delta and state-of-the-world) apart from what is configured with it:
//! resources with versions, pure session state machines, the wire form, and the tonic services.

mod resource;

pub use resource::{Resource, TypeUrl, Version};
