//! The kubelet: runs the pods of this one node.

pub mod env;
pub mod facts;
pub mod image;
pub mod quantity;
