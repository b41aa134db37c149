//! The same pilot, agent and redirect rules, the same requests and the same answers of the application, once with Envoy
//! and once with our own data plane in the sidecars: what the client sees, what the application sees and what both
//! sidecars log must be equal, or the row says why not.
//!
//! Environment: `LATEEN_PROXY`, `LATEEN_PILOT`, `LATEEN_CA` (the programs), `LATEEN_ENVOY` (an Envoy binary). Needs root.
//! `LATEEN_CASES=TEXT` runs the cases with TEXT in their names alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod application;
mod case;
mod cases;
mod client;
mod compare;
mod mesh;
mod sidecar;

use mesh::Mesh;

#[test]
fn our_data_plane_does_with_whole_requests_what_envoy_does() {
    let wanted = std::env::var("LATEEN_CASES").unwrap_or_default();
    let mut all = cases::all();
    let names: std::collections::BTreeSet<_> = all.iter().map(|case| case.name.clone()).collect();
    assert_eq!(names.len(), all.len(), "no two cases have one name");
    all.retain(|case| case.name.contains(&wanted));
    let envoy = sidecar::required("LATEEN_ENVOY");
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| Mesh::up("envoy", Some(&envoy)));
        let ours = scope.spawn(|| Mesh::up("ours", None));
        (theirs.join().unwrap(), ours.join().unwrap())
    });
    let wrong = compare::run(&all, &theirs, &ours);
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}
