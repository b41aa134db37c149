//! The mesh that the proxies are part of: objects, what the pilot's translation makes of them, certificates, and the
//! servers that proxies have both from.

mod authority;
mod control_plane;
mod objects;
mod place;

pub(crate) use authority::{Authority, Identity, MeshClient};
pub(crate) use control_plane::{ControlPlane, Publisher};
pub(crate) use objects::{Objects, Speaks, known_endpoint};
pub(crate) use place::{Hop, Place};

/// The host of the service that is called.
pub(crate) const HOST: &str = "greeter.default.svc.cluster.local";
