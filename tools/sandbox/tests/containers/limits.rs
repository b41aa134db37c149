//! What a container may use, and what it uses.

use std::path::PathBuf;
use std::time::Duration;

use sandbox::cgroup::Limits;
use sandbox::container::Exit;

use crate::harness::{LIMIT, Room, eventually};
use crate::output_of;

const MEBIBYTE: u64 = 1 << 20;

/// The directories of the container's group that are there.
fn groups(id: &str) -> Vec<PathBuf> {
    crate::harness::groups(std::process::id(), id)
}

pub(super) fn a_container_beyond_its_memory_is_killed_and_says_so() {
    let room = Room::new();
    // tail keeps what it reads until a line ends, and none does.
    let mut spec = room.container("app", vec!["tail".into(), "/dev/zero".into()]);
    spec.limits.memory = Some(32 * MEBIBYTE);
    let container = room.start(spec);
    assert_eq!(container.unlimited(), None);
    let exit = container.wait(LIMIT).unwrap();
    assert_eq!((exit, exit.code()), (Exit::Signal(9), 137));
    assert!(container.ran_out_of_memory());
    assert!(groups("app").is_empty());
}

pub(super) fn an_ordinary_death_is_no_lack_of_memory() {
    let room = Room::new();
    let mut spec = room.shell("app", "kill -KILL $$; sleep 1000");
    spec.limits.memory = Some(64 * MEBIBYTE);
    let container = room.start(spec);
    container
        .signal(sandbox::container::Signal::SIGKILL)
        .unwrap();
    assert_eq!(container.wait(LIMIT), Some(Exit::Signal(9)));
    assert!(!container.ran_out_of_memory());
}

pub(super) fn processor_time_beyond_the_limit_is_throttled_and_counted() {
    let room = Room::new();
    let mut spec = room.shell("app", "while :; do :; done");
    spec.limits = Limits {
        millicores: Some(100),
        ..Limits::default()
    };
    let container = room.start(spec);
    let throttled = || {
        groups("app")
            .iter()
            .filter_map(|group| std::fs::read_to_string(group.join("cpu.stat")).ok())
            .flat_map(|stat| stat.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok())
            .any(|times| times >= 5)
    };
    eventually("the loop is throttled", throttled);
    let begun = std::time::Instant::now();
    let before = container.usage().unwrap().unwrap().cpu;
    std::thread::sleep(Duration::from_millis(1000));
    let used = container.usage().unwrap().unwrap().cpu - before;
    // A tenth of a processor; half of one would be no limit.
    assert!(used > Duration::ZERO, "{used:?}");
    assert!(used * 2 < begun.elapsed(), "{used:?}");
}

pub(super) fn programs_executed_in_a_container_share_its_limits() {
    let room = Room::new();
    let mut spec = room.shell("app", "sleep 1000");
    spec.limits.memory = Some(32 * MEBIBYTE);
    let container = room.start(spec);
    let own = format!("/lateen/{}-app", std::process::id());
    let cgroups = output_of(&container, &["cat", "/proc/self/cgroup"]);
    assert!(
        cgroups.lines().any(|line| line.ends_with(&own)),
        "{cgroups}"
    );
    let mut hungry = container
        .exec(sandbox::container::ExecSpec::new(
            ["tail", "/dev/zero"].map(String::from).to_vec(),
        ))
        .unwrap();
    assert_eq!(hungry.wait().unwrap(), Exit::Signal(9));
    let used = container.usage().unwrap();
    // Version 2 ends the container as a whole, version 1 the hungry process alone.
    assert!(used.is_none_or(|used| used.memory < 32 * MEBIBYTE));
}

pub(super) fn nothing_of_a_group_stays() {
    let room = Room::new();
    let container = room.start(room.shell("app", "sleep 1000 & sleep 1000"));
    assert!(
        !groups("app").is_empty(),
        "usage is counted without limits too"
    );
    drop(container);
    assert_eq!(groups("app"), Vec::<PathBuf>::new());

    let failed = sandbox::container::Container::start(
        room.container("lost", vec!["no-such-program".into()]),
        &room.state(),
    );
    assert!(failed.is_err());
    assert_eq!(groups("lost"), Vec::<PathBuf>::new());
}
