//! Connections of clients that have asked once and stay.

use crate::Failure;
use crate::peers::{Application, Client, Version};
use crate::pilot::{Mesh, Side};
use crate::plane::Plane;

/// So many, besides the first, at the sidecar of a side.
pub(crate) fn idle<V: Version>(side: Side, connections: u32) -> Result<(), Failure> {
    // Without a log, whose buffers come and go by the clock.
    let mesh = Mesh {
        side,
        services: 1,
        speaks: V::SPEAKS,
        access_log: "",
    };
    let plane = Plane::start(&mesh)?;
    let (_first, mut application) = plane.first::<V>()?;
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut client = plane.client::<V>()?;
        client.ask()?;
        application.answer()?;
        client.hear()?;
        open.push(client.into_socket());
    }
    plane.end()
}
