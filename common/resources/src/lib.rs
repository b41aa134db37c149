//! The objects that a mesh is configured with: Kubernetes' and Istio's, as typed Rust values, and
//! the reading of them from YAML. One broken object never hides the others.

mod decode;
pub mod istio;
pub mod mesh_config;
pub mod object;
pub mod problem;
pub mod yaml;
