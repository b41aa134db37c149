//! Without root.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::harness::{Mesh, Ran, required};

const NOBODY: u32 = 65534;

#[test]
fn without_root_the_command_says_why_it_needs_it() {
    let mesh = Mesh::named("unprivileged");
    // Where nobody may read it.
    let directory = tempfile::tempdir().expect("a directory");
    let open = |path: &std::path::Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permitted");
    };
    let program = directory.path().join("lateen");
    std::fs::copy(required("LATEEN_BIN"), &program).expect("copied");
    open(directory.path());
    open(&program);
    let as_nobody = |arguments: &[&str]| {
        let output = Command::new(&program)
            .args(["local", "--name", &mesh.name])
            .args(arguments)
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .stdin(Stdio::null())
            .output();
        Ran::of(output.expect("it starts"))
    };

    let up = as_nobody(&["up"]);
    assert_eq!(up.code, Some(1), "{up:?}");
    assert!(
        up.stderr.contains("needs root")
            && up.stderr.contains("network namespaces")
            && up.stderr.contains("sudo"),
        "{up:?}"
    );
    // What belongs to root is not touched by others either.
    let started = mesh.start(&["--no-control-plane"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    for command in [&["get", "pods"][..], &["down"]] {
        let refused = as_nobody(command);
        assert_eq!(refused.code, Some(1), "{command:?}: {refused:?}");
        assert!(refused.stderr.contains("root"), "{command:?}: {refused:?}");
    }
}
