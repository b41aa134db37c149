//! What is left when the owner of containers is killed. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(missing_docs)]

#[macro_use]
mod harness;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::{LIMIT, Room, eventually, groups, traces};
use sandbox::container::ExecSpec;
use sandbox::network::Network;

fn main() {
    sandbox::reexec::run_if_asked();
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("own") {
        own(&args.next().unwrap());
    }
    harness::run(tests![
        a_killed_owner_takes_its_containers_with_it_and_cleanup_removes_the_rest,
        cleanup_leaves_the_containers_of_a_living_owner,
        a_killed_shim_takes_its_container_with_it,
        cleanup_removes_the_control_group_that_a_killed_owner_and_shim_left,
    ])
}

/// Starts a pod with a container and a program executed in it, tells their pids, and waits.
fn own(room: &str) -> ! {
    let network = Network::create(Default::default()).unwrap();
    let pod = network.add_pod("pod").unwrap();
    let room = Room::of_another(room);
    // Another user than the shim's: a parent-death signal is forgotten when the user changes.
    let mut spec = room.shell("app", "sleep 1000 & sleep 1000");
    (spec.uid, spec.gid) = (1337, 1337);
    spec.netns = Some(pod.netns());
    let container = room.start(spec);
    let mut exec = ExecSpec::new(["sleep", "1000"].map(String::from).to_vec());
    exec.stdout = Stdio::null();
    exec.stderr = Stdio::null();
    let exec = container.exec(exec).unwrap();
    println!("{}", container.pid());
    println!("{}", exec.child.id());
    loop {
        std::thread::park();
    }
}

/// The owner and the pids of the container's init and of the exec's parent.
fn owner(room: &Room) -> (Child, Vec<i32>) {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .arg("own")
        .arg(room.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(owner.stdout.take().unwrap()).lines();
    let pids = told
        .take(2)
        .map(|line| line.unwrap().parse().unwrap())
        .collect();
    (owner, pids)
}

fn alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Every process in the network namespace of `pid`, and its shim.
fn family(pid: i32) -> Vec<i32> {
    let namespace = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let shim: i32 = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok())
        .filter(|other| {
            std::fs::read_link(format!("/proc/{other}/ns/net")).is_ok_and(|of| of == namespace)
        })
        .chain([shim])
        .collect()
}

fn a_killed_owner_takes_its_containers_with_it_and_cleanup_removes_the_rest() {
    let before = traces();
    let room = Room::new();
    let (mut owner, pids) = owner(&room);
    eventually(
        "the container's two programs and the executed one run",
        || family(pids[0]).len() >= 4,
    );
    let mut everything = family(pids[0]);
    everything.extend(&pids);
    assert!(!groups(owner.id(), "app").is_empty());
    owner.kill().unwrap();
    owner.wait().unwrap();
    for pid in everything {
        eventually(&format!("process {pid} ends"), || !alive(pid));
    }
    assert!(groups(owner.id(), "app").is_empty(), "the shim removed it");
    assert_eq!(sandbox::cleanup(&room.state()).unwrap(), ["app"]);
    assert_eq!(std::fs::read_dir(room.state()).unwrap().count(), 0);
    assert_eq!(traces(), before);
}

fn cleanup_leaves_the_containers_of_a_living_owner() {
    let room = Room::new();
    let (mut owner, pids) = owner(&room);
    assert!(sandbox::cleanup(&room.state()).unwrap().is_empty());
    assert!(alive(pids[0]));
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the container ends", || !alive(pids[0]));
}

fn a_killed_shim_takes_its_container_with_it() {
    let room = Room::new();
    let mut spec = room.shell("app", "sleep 1000");
    (spec.uid, spec.gid) = (1337, 1337);
    let container = room.start(spec);
    let pid = container.pid();
    let shim = *family(pid).last().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(shim),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(
        container.wait(LIMIT).map(sandbox::container::Exit::code),
        Some(137)
    );
    eventually("the program ends", || !alive(pid));
    drop(container);
    assert!(groups(std::process::id(), "app").is_empty());
}

fn cleanup_removes_the_control_group_that_a_killed_owner_and_shim_left() {
    let room = Room::new();
    let (mut owner, pids) = owner(&room);
    let shim = nix::unistd::Pid::from_raw(*family(pids[0]).last().unwrap());
    let owner_pid = nix::unistd::Pid::from_raw(i32::try_from(owner.id()).unwrap());
    // Stopped, the owner cannot tidy up after its shim; nor can the shim after it.
    nix::sys::signal::kill(owner_pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    nix::sys::signal::kill(shim, nix::sys::signal::Signal::SIGKILL).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    for pid in pids {
        eventually(&format!("process {pid} ends"), || !alive(pid));
    }
    assert!(!groups(owner.id(), "app").is_empty());
    assert_eq!(sandbox::cleanup(&room.state()).unwrap(), ["app"]);
    assert!(groups(owner.id(), "app").is_empty());
}
