//! What the parts of the control plane share of Kubernetes: the way to the API server, and whose a token is.

pub mod client;
pub mod tokens;
