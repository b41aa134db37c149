//! Programs executed in a running container.

use std::io::{Read, Write};
use std::process::Stdio;

use sandbox::Error;
use sandbox::container::{ExecSpec, Exit, Mount, MountSource};

use crate::harness::{LIMIT, Room, eventually};
use crate::output_of;

pub(super) fn a_program_executed_in_a_container_sees_what_the_container_sees() {
    let room = Room::new();
    let network = sandbox::network::Network::create(Default::default()).unwrap();
    let pod = network.add_pod("pod").unwrap();
    let mut spec = room.shell("app", "echo mark > /tmp/mark; sleep 1000");
    (spec.uid, spec.gid, spec.groups) = (1337, 1337, vec![1]);
    spec.netns = Some(pod.netns());
    spec.env = vec![("OF".into(), "container".into())];
    spec.mounts.push(Mount {
        target: "/tmp".into(),
        source: MountSource::Tmpfs {
            size: None,
            mode: 0o1777,
        },
        read_only: false,
    });
    let container = room.start(spec);
    eventually("the mark", || {
        output_of(&container, &["ls", "/tmp"]) == "mark\n"
    });
    let script = "cat /tmp/mark; id -u; cat /proc/sys/kernel/hostname; grep CapEff /proc/self/status | cut -f2; echo $OF $MORE; pwd; echo 4 > /dev/stdout; ls /sys/class/net | tr '\\n' ' '; for ns in pid net ipc uts mnt; do test $(readlink /proc/self/ns/$ns) = $(readlink /proc/1/ns/$ns) || echo other $ns; done; exit 5";
    let mut exec_spec = ExecSpec::new(["sh", "-c", script].map(String::from).to_vec());
    exec_spec.env = vec![("MORE".into(), "exec".into())];
    exec_spec.cwd = Some("/tmp".into());
    let mut exec = container.exec(exec_spec).unwrap();
    let mut output = String::new();
    exec.child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert_eq!(exec.wait().unwrap(), Exit::Code(5));
    assert_eq!(
        output,
        "mark\n1337\napp\n0000000000000000\ncontainer exec\n/tmp\n4\neth0 lo "
    );
}

pub(super) fn a_program_executed_in_a_container_reads_its_input() {
    let room = Room::new();
    let container = room.start(room.shell("app", "sleep 1000"));
    let mut spec = ExecSpec::new(vec!["cat".into()]);
    spec.stdin = Stdio::piped();
    let mut exec = container.exec(spec).unwrap();
    let mut input = exec.child.stdin.take().unwrap();
    input.write_all(b"in and out").unwrap();
    drop(input);
    let mut output = String::new();
    let mut stdout = exec.child.stdout.take().unwrap();
    stdout.read_to_string(&mut output).unwrap();
    assert_eq!(output, "in and out");
    assert_eq!(exec.wait().unwrap(), Exit::Code(0));
}

pub(super) fn executing_a_missing_program_says_so() {
    let room = Room::new();
    let container = room.start(room.shell("app", "sleep 1000"));
    let mut exec = container
        .exec(ExecSpec::new(vec!["no-such-program".into()]))
        .unwrap();
    assert_eq!(
        exec.wait().unwrap_err().to_string(),
        "cannot execute in container app: exec: \"no-such-program\": executable file not found in $PATH"
    );
}

pub(super) fn executing_in_an_ended_container_is_refused() {
    let room = Room::new();
    let container = room.start(room.shell("app", "true"));
    container.wait(LIMIT).unwrap();
    let refused = container.exec(ExecSpec::new(vec!["true".into()]));
    assert!(matches!(refused, Err(Error::NotRunning { .. })));
}

pub(super) fn a_program_that_nobody_waits_for_any_more_can_be_killed() {
    let room = Room::new();
    let container = room.start(room.shell("app", "sleep 1000"));
    let args = ["sh", "-c", "echo up; sleep 2000"]
        .map(String::from)
        .to_vec();
    let mut exec = container.exec(ExecSpec::new(args)).unwrap();
    let mut up = [0; 3];
    let mut stdout = exec.child.stdout.take().unwrap();
    stdout.read_exact(&mut up).unwrap();
    let killer = exec.killer();
    let waiting = std::thread::spawn(move || exec.wait().unwrap());
    killer.kill();
    assert_eq!(waiting.join().unwrap(), Exit::Signal(9));
    eventually("its shell ends too", || {
        let running = output_of(&container, &["sh", "-c", "cat /proc/[0-9]*/cmdline; true"]);
        !running.contains("echo up;")
    });
    // Its pid may be another's by now.
    killer.kill();
    assert_eq!(container.exited(), None);
}
