//! Containers that cannot start: the reason is named and nothing is left.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sandbox::container::Container;

use crate::bind;
use crate::harness::Room;

fn start_error(room: &Room, change: impl FnOnce(&mut sandbox::container::ContainerSpec)) -> String {
    let mut spec = room.shell("app", "true");
    change(&mut spec);
    let error = Container::start(spec, &room.state())
        .unwrap_err()
        .to_string();
    assert!(
        !room.state().join("app").exists(),
        "a failed start leaves nothing"
    );
    error
}

pub(super) fn a_missing_program_is_reported_to_the_caller_as_runc_reports_it() {
    let room = Room::new();
    let missing = |program: &str| start_error(&room, |spec| spec.args = vec![program.into()]);
    assert_eq!(
        missing("no-such-program"),
        "container app could not start: exec: \"no-such-program\": executable file not found in $PATH"
    );
    assert!(
        missing("/no/such")
            .ends_with("exec: \"/no/such\": stat /no/such: no such file or directory")
    );
    assert!(missing("/etc/hostname").ends_with("exec: \"/etc/hostname\": permission denied"));
    let empty_root = start_error(&room, |spec| {
        spec.args = vec!["/true".into()];
        spec.mounts = vec![bind(Path::new("/usr/bin/true"), "/true", true)];
    });
    assert!(
        empty_root.contains("the interpreter or loader that /true asks for is not in the image"),
        "{empty_root}"
    );
}

pub(super) fn a_missing_mount_source_or_layer_is_named() {
    let room = Room::new();
    let error = start_error(&room, |spec| {
        spec.mounts
            .push(bind(Path::new("/no/such/source"), "/data", true))
    });
    assert!(
        error.contains("cannot open /no/such/source on the host: ENOENT"),
        "{error}"
    );
    let error = start_error(&room, |spec| spec.layers = vec!["/no/such/layer".into()]);
    assert!(
        error.contains("layer /no/such/layer is not a directory"),
        "{error}"
    );
    let error = start_error(&room, |spec| spec.log = "/no/such/directory/0.log".into());
    assert!(
        error.contains("cannot open the log /no/such/directory/0.log"),
        "{error}"
    );
}

pub(super) fn two_containers_cannot_have_one_id() {
    let room = Room::new();
    let first = room.start(room.shell("app", "sleep 1000"));
    let error = Container::start(room.shell("app", "true"), &room.state()).unwrap_err();
    assert!(error.to_string().contains("File exists"), "{error}");
    assert!(
        room.state().join("app").exists(),
        "the first one's directory stays"
    );
    assert_eq!(first.exited(), None);
}

pub(super) fn a_full_disk_is_reported_with_the_file() {
    let room = Room::new();
    let state = room.state();
    std::fs::create_dir(&state).unwrap();
    let spec = room.shell("app", "true");
    // In a mount namespace of its own, so that the host sees no mount.
    let error = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        mount(
            Some("tmpfs"),
            &state,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=4k"),
        )
        .unwrap();
        std::fs::write(state.join("ballast"), [0; 4096]).unwrap();
        let error = Container::start(spec, &state).unwrap_err();
        assert!(!state.join("app").exists());
        error.to_string()
    })
    .join()
    .unwrap();
    assert!(
        error.starts_with("cannot write ")
            && error.contains("/app/")
            && error.contains("No space left on device"),
        "{error}"
    );
}
