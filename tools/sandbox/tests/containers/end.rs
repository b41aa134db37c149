//! How containers end, and that nothing of them stays.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use sandbox::Error;
use sandbox::container::{Container, Exit};

use crate::harness::{LIMIT, Room, eventually, lines, traces};
use crate::output_of;

pub(super) fn an_exit_status_is_reported() {
    let room = Room::new();
    let (exit, lines) = room.run(room.shell("app", "printf 'no newline'; exit 7"));
    assert_eq!((exit, exit.code()), (Exit::Code(7), 7));
    assert_eq!(
        lines,
        ["stdout no newline"],
        "the output is complete when the end is known"
    );
}

pub(super) fn a_signal_is_delivered_and_a_death_by_signal_reported() {
    let room = Room::new();
    let graceful = room.start(room.shell(
        "graceful",
        "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done",
    ));
    eventually("the trap is set", || {
        lines(&room.path("graceful.log")).len() == 1
    });
    graceful.signal(Signal::SIGTERM).unwrap();
    assert_eq!(graceful.wait(LIMIT), Some(Exit::Code(3)));
    assert_eq!(
        lines(&room.path("graceful.log")),
        ["stdout up", "stdout bye"]
    );
    assert!(matches!(
        graceful.signal(Signal::SIGTERM),
        Err(Error::NotRunning { .. })
    ));

    let killed = room.start(room.shell("killed", "sleep 1000"));
    killed.signal(Signal::SIGKILL).unwrap();
    let exit = killed.wait(LIMIT).unwrap();
    assert_eq!((exit, exit.code()), (Exit::Signal(9), 137));
}

pub(super) fn stop_kills_what_does_not_end_by_itself() {
    let room = Room::new();
    // Pid 1 without a handler ignores SIGTERM.
    let container = room.start(room.shell("app", "sleep 1000; echo not reached"));
    assert_eq!(container.stop(Duration::from_millis(50)), Exit::Signal(9));
    assert_eq!(container.exited(), Some(Exit::Signal(9)));
}

pub(super) fn a_container_outlives_the_thread_that_started_it() {
    let room = Room::new();
    let spec = room.shell("app", "read line; sleep 1000");
    let state = room.state();
    let container = std::thread::spawn(move || Container::start(spec, &state).unwrap())
        .join()
        .unwrap();
    let output = output_of(&container, &["echo", "alive"]);
    assert_eq!(output, "alive\n");
    assert_eq!(container.exited(), None);
}

pub(super) fn the_end_can_be_awaited() {
    let room = Room::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let container = room.start(room.shell("app", "exit 4"));
    assert_eq!(runtime.block_on(container.exit()), Exit::Code(4));
}

pub(super) fn dropping_a_container_leaves_no_process_mount_or_directory() {
    let before = traces();
    let room = Room::new();
    let container = room.start(room.shell("app", "sleep 1000 & sleep 1000"));
    let pid = container.pid();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(std::fs::metadata(format!("/proc/{pid}")).unwrap().uid(), 0);
    drop(container);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(std::fs::read_dir(room.state()).unwrap().count(), 0);
    assert_eq!(traces(), before);
}
