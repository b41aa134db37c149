//! Meshes with real pods, spoken to through their API as the command line does. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(missing_docs)]

mod config;
mod harness;
mod image;
mod life;
mod names;
mod reach;
mod usage;

fn main() {
    local::run_if_asked();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, word, address] if word == "serve" => image::serve(address),
        [_, word, name] if word == "lookup" => return image::lookup(name),
        _ => {}
    }
    process::crypto::install();
    harness::run(&[
        (
            "life::a_pods_events_are_told_in_order",
            life::a_pods_events_are_told_in_order,
        ),
        (
            "life::a_job_with_a_native_sidecar_completes",
            life::a_job_with_a_native_sidecar_completes,
        ),
        (
            "life::a_change_is_told_to_those_who_watch",
            life::a_change_is_told_to_those_who_watch,
        ),
        (
            "usage::a_container_beyond_its_memory_is_oom_killed",
            usage::a_container_beyond_its_memory_is_oom_killed,
        ),
        (
            "usage::what_pods_use_is_counted",
            usage::what_pods_use_is_counted,
        ),
        (
            "reach::a_forwarded_port_reaches_what_listens_on_the_pods_loopback",
            reach::a_forwarded_port_reaches_what_listens_on_the_pods_loopback,
        ),
        (
            "reach::two_meshes_with_the_same_services_are_reached_side_by_side",
            reach::two_meshes_with_the_same_services_are_reached_side_by_side,
        ),
        (
            "reach::a_program_on_a_terminal_is_typed_to",
            reach::a_program_on_a_terminal_is_typed_to,
        ),
        (
            "config::config_maps_and_secrets_reach_variables_and_files",
            config::config_maps_and_secrets_reach_variables_and_files,
        ),
        (
            "names::services_pods_and_the_rest_of_the_world_have_names",
            names::services_pods_and_the_rest_of_the_world_have_names,
        ),
        ("life::a_mesh_leaves_nothing", life::a_mesh_leaves_nothing),
    ]);
}
