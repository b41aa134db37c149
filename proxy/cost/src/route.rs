//! The route of a request, in tables as the pilot sends them.

use std::hint::black_box;

use routing::Facts;

use crate::Failure;
use crate::messages;
use crate::pilot::{self, PORT};

/// Matches a call to the service in the middle of so many, so many times.
pub(crate) fn matches(services: u32, times: u32) -> Result<(), Failure> {
    let graph = pilot::compiled(services)?.graph();
    let name = PORT.to_string();
    let mut tables = graph.tables.iter().flatten();
    let table = tables
        .find(|table| *table.name == *name)
        .ok_or("no route table")?;
    let request = messages::call(&pilot::authority(services / 2));
    for random in 0..u64::from(times) {
        let facts = Facts {
            random,
            client_certificate: false,
        };
        let found = routing::route(black_box(table), black_box(&request), &facts);
        black_box(found.ok_or("no route")?);
    }
    Ok(())
}
