//! What a program may do, and what its starter left it.

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use sandbox::capabilities::Capabilities;
use sandbox::container::Exit;

use crate::harness::Room;
use crate::output_of;

pub(super) fn a_user_other_than_root_holds_no_capability() {
    let room = Room::new();
    let mut spec = room.shell("app", "grep ^Cap /proc/self/status | cut -f2");
    (spec.uid, spec.gid) = (1337, 1337);
    spec.capabilities = Capabilities::of_security_context(&[], &["ALL".into()]).unwrap();
    let (_, lines) = room.run(spec);
    assert_eq!(
        lines,
        vec!["stdout 0000000000000000"; 5],
        "inheritable, permitted, effective, bounding, ambient"
    );
}

pub(super) fn root_holds_only_what_it_was_given() {
    let room = Room::new();
    let mut spec = room.shell("app", "grep ^Cap /proc/self/status | cut -f2");
    spec.capabilities =
        Capabilities::of_security_context(&["NET_ADMIN".into(), "NET_RAW".into()], &["ALL".into()])
            .unwrap();
    let (_, lines) = room.run(spec);
    // Bits 12 and 13 of capability.h.
    let (none, two) = ("stdout 0000000000000000", "stdout 0000000000003000");
    assert_eq!(lines, [none, two, two, two, none]);
}

pub(super) fn the_capabilities_of_istio_init_suffice_to_load_rules() {
    let room = Room::new();
    let network = sandbox::network::Network::create(Default::default()).unwrap();
    let pod = network.add_pod("pod").unwrap();
    let with = |id: &str, add: &[String]| {
        let mut spec = room.container(id, vec!["/test-program".into(), "add-table".into()]);
        spec.netns = Some(pod.netns());
        spec.capabilities = Capabilities::of_security_context(add, &["ALL".into()]).unwrap();
        room.run(spec)
    };
    let (exit, lines) = with("init", &["NET_ADMIN".into(), "NET_RAW".into()]);
    assert_eq!(
        (exit, lines),
        (Exit::Code(0), vec!["stdout table added".to_owned()])
    );
    assert_eq!(
        with("other", &[]).0,
        Exit::Code(3),
        "without capabilities it must fail"
    );
}

pub(super) fn no_new_privileges_is_passed_on() {
    let room = Room::new();
    let mut spec = room.shell("app", "grep NoNewPrivs /proc/self/status");
    spec.no_new_privs = true;
    assert_eq!(room.run(spec).1, ["stdout NoNewPrivs:\t1"]);
}

pub(super) fn the_proxys_user_opens_dev_stdout_again() {
    let room = Room::new();
    let mut spec = room.shell(
        "proxy",
        "echo by path > /dev/stdout; echo fault > /dev/stderr; echo by pid > /proc/1/fd/1",
    );
    (spec.uid, spec.gid) = (1337, 1337);
    spec.read_only_root = true;
    let (exit, mut lines) = room.run(spec);
    lines.sort();
    assert_eq!(exit, Exit::Code(0), "{lines:?}");
    assert_eq!(lines, ["stderr fault", "stdout by path", "stdout by pid"]);
}

pub(super) fn no_signal_is_ignored_or_blocked() {
    let room = Room::new();
    let script = "exec grep -E '^Sig(Ign|Blk)' /proc/self/status";
    let (_, lines) = room.run(room.shell("app", script));
    assert_eq!(lines.len(), 2);
    for line in lines {
        let mask = u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap();
        // 32 and 33 are glibc's own; its posix_spawn leaves them ignored in whatever it starts.
        assert_eq!(mask & 0x7fff_ffff, 0, "{line}");
    }
}

pub(super) fn no_descriptor_of_the_owner_reaches_a_container() {
    let room = Room::new();
    let leaked = std::fs::File::open("/").unwrap();
    fcntl(&leaked, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let (_, lines) = room.run(room.shell("app", "exec ls /proc/self/fd"));
    // The fourth is the directory that ls reads.
    assert_eq!(lines, ["stdout 0", "stdout 1", "stdout 2", "stdout 3"]);
    let container = room.start(room.shell("other", "sleep 1000"));
    assert_eq!(
        output_of(&container, &["ls", "/proc/self/fd"]),
        "0\n1\n2\n3\n"
    );
}
