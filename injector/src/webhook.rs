//! The admission webhook: Kubernetes asks for each pod that is created, the answer is the patch
//! that injects it.

mod certificate;
mod files;
mod options;
mod review;
mod server;

pub use options::Options;
pub use review::{ReviewError, review};
pub use server::{Injector, ServeError};
