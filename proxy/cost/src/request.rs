//! A whole request through a worker: read, routed, sent on, answered, counted and logged.

use crate::Failure;
use crate::peers::{Application, Client, Version};
use crate::pilot::{Mesh, Side};
use crate::plane::Plane;

/// So many requests on one connection, each after the answer to the one before.
pub(crate) fn requests<V: Version>(times: u32) -> Result<(), Failure> {
    let mesh = Mesh {
        side: Side::Caller,
        services: 1,
        speaks: V::SPEAKS,
        access_log: "/dev/null",
    };
    let plane = Plane::start(&mesh)?;
    let (mut client, mut application) = plane.first::<V>()?;
    for _ in 0..times {
        client.ask()?;
        application.answer()?;
        client.hear()?;
    }
    plane.end()
}
