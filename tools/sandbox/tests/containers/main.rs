//! Containers as their programs see them. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(missing_docs)]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod end;
mod executed;
mod limits;
mod refused;
mod rights;
mod terminal;
mod view;

use std::io::Read;
use std::path::Path;

use sandbox::container::{Container, ExecSpec, Exit, Mount, MountSource};

fn main() {
    sandbox::reexec::run_if_asked();
    if std::env::args().nth(1).as_deref() == Some("add-table") {
        add_table();
        return;
    }
    harness::run(tests![
        view::a_program_is_pid_1_with_its_own_host_name_user_and_processes,
        view::each_container_has_devices_and_the_names_of_its_streams,
        view::nothing_of_the_host_is_mounted_but_what_was_asked_for,
        view::the_pods_files_are_in_etc,
        view::layers_lie_over_each_other_and_are_never_written,
        view::a_symbolic_link_in_an_image_leads_no_mount_out_of_the_root,
        view::a_read_only_root_refuses_writes_and_its_tmpfs_takes_them,
        view::a_read_only_bind_refuses_writes_and_a_writable_one_reaches_the_host,
        rights::a_user_other_than_root_holds_no_capability,
        rights::root_holds_only_what_it_was_given,
        rights::the_capabilities_of_istio_init_suffice_to_load_rules,
        rights::no_new_privileges_is_passed_on,
        rights::the_proxys_user_opens_dev_stdout_again,
        rights::no_signal_is_ignored_or_blocked,
        rights::no_descriptor_of_the_owner_reaches_a_container,
        end::an_exit_status_is_reported,
        end::a_signal_is_delivered_and_a_death_by_signal_reported,
        end::stop_kills_what_does_not_end_by_itself,
        refused::a_missing_program_is_reported_to_the_caller_as_runc_reports_it,
        refused::a_missing_mount_source_or_layer_is_named,
        end::a_container_outlives_the_thread_that_started_it,
        executed::a_program_executed_in_a_container_sees_what_the_container_sees,
        executed::a_program_executed_in_a_container_reads_its_input,
        executed::a_program_that_nobody_waits_for_any_more_can_be_killed,
        executed::executing_a_missing_program_says_so,
        executed::executing_in_an_ended_container_is_refused,
        refused::two_containers_cannot_have_one_id,
        refused::a_full_disk_is_reported_with_the_file,
        limits::a_container_beyond_its_memory_is_killed_and_says_so,
        limits::an_ordinary_death_is_no_lack_of_memory,
        limits::processor_time_beyond_the_limit_is_throttled_and_counted,
        limits::programs_executed_in_a_container_share_its_limits,
        limits::nothing_of_a_group_stays,
        terminal::a_program_on_a_terminal_knows_its_name_and_size,
        terminal::a_new_size_and_an_interrupt_reach_the_program,
        end::the_end_can_be_awaited,
        end::dropping_a_container_leaves_no_process_mount_or_directory,
    ])
}

/// What a rule loader does, in a container that has no other program for it.
fn add_table() {
    let mut batch = nftables::Batch::new();
    batch.table(nftables::Family::Inet, "probe");
    match batch.apply() {
        Ok(()) => println!("table added"),
        Err(error) => {
            println!("{error}");
            std::process::exit(3);
        }
    }
}

/// What a program executed in the container prints before it ends with status 0.
fn output_of(container: &Container, args: &[&str]) -> String {
    let args = args.iter().map(ToString::to_string).collect();
    let mut exec = container.exec(ExecSpec::new(args)).unwrap();
    let mut output = String::new();
    exec.child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert_eq!(exec.wait().unwrap(), Exit::Code(0));
    output
}

/// A file or directory of the host.
fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        target: target.into(),
        source: MountSource::Bind(source.to_owned()),
        read_only,
    }
}
