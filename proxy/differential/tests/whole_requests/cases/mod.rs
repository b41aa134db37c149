//! All rows, by theme.

mod bodies;
mod connections;
mod differences;
mod failures;
mod forwarding;
mod grpc;
mod headers;
mod http2;
mod policies;
mod retries;
mod routes;
mod statuses;
mod targets;
mod tcp;
mod upgrades;

use crate::case::Case;

pub(crate) fn all() -> Vec<Case> {
    let mut all = rows();
    for (reason, names) in differences::ALL {
        for name in *names {
            let case = all.iter_mut().find(|case| case.name == *name);
            let case = case.unwrap_or_else(|| panic!("differences.rs: there is no case {name:?}"));
            case.differs = Some(reason);
        }
    }
    all
}

fn rows() -> Vec<Case> {
    [
        targets::cases(),
        headers::cases(),
        forwarding::cases(),
        bodies::cases(),
        statuses::cases(),
        connections::cases(),
        failures::cases(),
        http2::cases(),
        grpc::cases(),
        routes::cases(),
        retries::cases(),
        policies::cases(),
        upgrades::cases(),
        tcp::cases(),
    ]
    .concat()
}
