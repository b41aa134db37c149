//! Services that a sidecar knows.

use crate::Failure;
use crate::peers::{Http2, Version};
use crate::pilot::{Mesh, Side};
use crate::plane::Plane;

/// So many in the compiler, the graph and the worker, of which one is called.
pub(crate) fn known(services: u32) -> Result<(), Failure> {
    let mesh = Mesh {
        side: Side::Caller,
        services,
        speaks: Http2::SPEAKS,
        access_log: "",
    };
    let plane = Plane::start(&mesh)?;
    let _called = plane.first::<Http2>()?;
    plane.end()
}
