//! However a mesh ends, nothing of it stays.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::harness::{GREETER, Mesh, images_and_envoy, required, turn};
use super::host;

#[test]
fn an_interrupted_demonstration_leaves_nothing_behind() {
    let _turn = turn();
    let manifest = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(manifest.path(), GREETER).expect("written");
    let mut demo = Command::new(required("LATEEN_DEMO"))
        .args(["--lateen", &required("LATEEN_BIN"), "--manifest"])
        .arg(manifest.path())
        .args(images_and_envoy())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("LATEEN_DEMO starts");
    let name = format!("demo-{}", demo.id());
    let mut lines = BufReader::new(demo.stdout.take().expect("a pipe")).lines();
    // Requests were answered: pods run.
    let answered = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("  ANSWERS  SHARE"));
    let running = host::traces(&name);
    let pid = Pid::from_raw(i32::try_from(demo.id()).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it lives");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let ended = demo.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();

    assert!(answered, "the demonstration came so far: {rest:?} {said}");
    assert!(running.len() > 5, "pods ran: {running:?}");
    assert!(!ended.status.success());
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(host::traces(&name), [""; 0]);
}

#[test]
fn a_mesh_whose_daemon_was_killed_can_be_brought_up_again_and_down_leaves_nothing() {
    let mesh = Mesh::up("crashed");
    mesh.applied(GREETER);
    mesh.ready("default", "k8s-combat-service", 3, 1);
    let lock = format!("/run/lateen/{}.lock", mesh.name);
    let daemon = std::fs::read_to_string(&lock).expect("the daemon's pid");
    host::kill(daemon.trim().parse().expect("a number"));

    let up = mesh.start(&[]);
    assert_eq!(up.code, Some(0), "{up:?}");
    assert_eq!(
        mesh.pods("default", "k8s-combat-service").len(),
        0,
        "a new mesh is empty"
    );
    mesh.applied(GREETER);
    mesh.ready("default", "k8s-combat-service", 3, 1);
    mesh.ok(&["down"]);
    assert_eq!(host::traces(&mesh.name), [""; 0]);
}

#[test]
fn what_a_killed_daemon_left_is_gone_after_down() {
    let mesh = Mesh::up("down");
    let lock = format!("/run/lateen/{}.lock", mesh.name);
    let daemon = std::fs::read_to_string(&lock).expect("the daemon's pid");
    host::kill(daemon.trim().parse().expect("a number"));
    let down = mesh.ok(&["down"]);
    assert!(down.contains("what it had left is gone"), "{down}");
    assert_eq!(host::traces(&mesh.name), [""; 0]);
}

#[test]
fn a_mesh_whose_control_plane_cannot_start_says_why_and_leaves_nothing() {
    let mesh = Mesh::named("failed");
    // No image of the control plane is on the machine.
    let empty = tempfile::tempdir().expect("a directory");
    let empty = empty.path().to_str().expect("a name");
    let up = mesh.lateen(&["up", "--images", empty, "--timeout", "3"]);
    assert_eq!(up.code, Some(1), "{up:?}");
    for said in [
        "the control plane is not ready after 3 s",
        "image \"lateen/ca:dev\" is not on this machine",
        "Failed: Failed to pull image",
    ] {
        assert!(up.stderr.contains(said), "{said}: {up:?}");
    }
    assert_eq!(host::traces(&mesh.name), [""; 0]);
    assert!(mesh.ok(&["down"]).contains("no mesh"));

    // Who wants to look into it keeps it.
    let kept = mesh.lateen(&["up", "--images", empty, "--timeout", "1", "--keep"]);
    assert_eq!(kept.code, Some(1), "{kept:?}");
    let events = mesh.ok(&["get", "events", "-n", "istio-system"]);
    assert!(events.contains("ErrImagePull"), "{events}");
    mesh.ok(&["down"]);
    assert_eq!(host::traces(&mesh.name), [""; 0]);
}
