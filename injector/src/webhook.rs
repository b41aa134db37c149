//! The admission webhooks: Kubernetes asks for each pod that is created, the answer is the patch
//! that injects it; and for each object of the mesh's configuration, whether it can be used.

mod admission;
mod bundle;
mod certificate;
mod files;
mod options;
mod review;
mod server;
mod validate;

pub use admission::ReviewError;
pub use options::Options;
pub use review::review;
pub use server::{Injector, ServeError};
pub use validate::validate;
