//! Containers as their programs see them. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(missing_docs)]

#[macro_use]
mod harness;

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use harness::{LIMIT, Room, eventually, lines, traces};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use sandbox::Error;
use sandbox::capabilities::Capabilities;
use sandbox::container::{Container, ExecSpec, Exit, Mount, MountSource};

fn main() {
    sandbox::reexec::run_if_asked();
    if std::env::args().nth(1).as_deref() == Some("add-table") {
        add_table();
        return;
    }
    harness::run(tests![
        a_program_is_pid_1_with_its_own_host_name_user_and_processes,
        each_container_has_devices_and_the_names_of_its_streams,
        nothing_of_the_host_is_mounted_but_what_was_asked_for,
        the_pods_files_are_in_etc,
        layers_lie_over_each_other_and_are_never_written,
        a_symbolic_link_in_an_image_leads_no_mount_out_of_the_root,
        a_read_only_root_refuses_writes_and_its_tmpfs_takes_them,
        a_read_only_bind_refuses_writes_and_a_writable_one_reaches_the_host,
        a_user_other_than_root_holds_no_capability,
        root_holds_only_what_it_was_given,
        the_capabilities_of_istio_init_suffice_to_load_rules,
        no_new_privileges_is_passed_on,
        the_proxys_user_opens_dev_stdout_again,
        no_signal_is_ignored_or_blocked,
        no_descriptor_of_the_owner_reaches_a_container,
        an_exit_status_is_reported,
        a_signal_is_delivered_and_a_death_by_signal_reported,
        stop_kills_what_does_not_end_by_itself,
        a_missing_program_is_reported_to_the_caller_as_runc_reports_it,
        a_missing_mount_source_or_layer_is_named,
        a_container_outlives_the_thread_that_started_it,
        a_program_executed_in_a_container_sees_what_the_container_sees,
        a_program_executed_in_a_container_reads_its_input,
        executing_a_missing_program_says_so,
        executing_in_an_ended_container_is_refused,
        two_containers_cannot_have_one_id,
        a_full_disk_is_reported_with_the_file,
        the_end_can_be_awaited,
        dropping_a_container_leaves_no_process_mount_or_directory,
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

fn a_program_is_pid_1_with_its_own_host_name_user_and_processes() {
    let room = Room::new();
    let mut spec = room.shell("app", "echo $$; id -u; id -g; id -G; cat /proc/sys/kernel/hostname; ls /proc | grep -c '^[0-9]'; pwd; echo $A $HOME");
    spec.hostname = "k8s-combat-service-5bfd78856f-8zjjf".into();
    (spec.uid, spec.gid, spec.groups) = (1337, 1338, vec![1339]);
    spec.cwd = "/srv/dir".into();
    spec.env = vec![("A".into(), "b c".into())];
    let (exit, lines) = room.run(spec);
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(
        lines[..5],
        [
            "stdout 1",
            "stdout 1337",
            "stdout 1338",
            "stdout 1338 1339",
            "stdout k8s-combat-service-5bfd78856f-8zjjf",
        ]
    );
    let processes: u32 = lines[5].trim_start_matches("stdout ").parse().unwrap();
    assert!(processes <= 3, "sh, ls and grep, not the host's: {lines:?}");
    assert_eq!(lines[6..], ["stdout /srv/dir", "stdout b c /"]);
}

fn each_container_has_devices_and_the_names_of_its_streams() {
    let room = Room::new();
    let script = "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done
        echo gone > /dev/null; head -c 3 /dev/zero | wc -c; echo out > /dev/stdout; echo err > /dev/stderr
        test -e /dev/fd/1 && test -c /dev/ptmx && echo x > /dev/shm/x && cat /dev/shm/x; cat; test -e /dev/kmsg || echo no kmsg";
    let (exit, mut lines) = room.run(room.shell("app", script));
    lines.sort();
    assert_eq!(exit, Exit::Code(0), "{lines:?}");
    assert_eq!(
        lines,
        [
            "stderr err",
            "stdout 3",
            "stdout no kmsg",
            "stdout out",
            "stdout x"
        ]
    );
}

fn nothing_of_the_host_is_mounted_but_what_was_asked_for() {
    let room = Room::new();
    let script = "cut -d' ' -f5 /proc/self/mountinfo; echo x > /proc/sys/kernel/hostname; ls /root /home /test-program";
    let (_, lines) = room.run(room.shell("app", script));
    let allowed = [
        "/",
        "/proc",
        "/dev",
        "/sys",
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib64",
        "/test-program",
        "/etc/hostname",
    ];
    for line in lines
        .iter()
        .filter_map(|line| line.strip_prefix("stdout /"))
    {
        let path = format!("/{line}");
        assert!(
            allowed.contains(&path.as_str())
                || ["/proc/", "/dev/", "/sys/", "/usr/"]
                    .iter()
                    .any(|p| path.starts_with(p)),
            "{path} in {lines:?}"
        );
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("Read-only file system")),
        "{lines:?}"
    );
}

fn the_pods_files_are_in_etc() {
    let room = Room::new();
    let mut spec = room.shell("app", "cat /etc/hostname /etc/hosts /etc/resolv.conf");
    spec.hosts = Some("10.244.0.2 app\n".into());
    spec.resolv_conf = Some("nameserver 10.96.0.10\n".into());
    let (_, lines) = room.run(spec);
    assert_eq!(
        lines,
        [
            "stdout app",
            "stdout 10.244.0.2 app",
            "stdout nameserver 10.96.0.10"
        ]
    );
}

fn layers_lie_over_each_other_and_are_never_written() {
    let room = Room::new();
    let layers = ["lower", "with:colon,and comma"].map(|name| room.path(name));
    for layer in &layers {
        std::fs::create_dir(layer).unwrap();
        std::fs::write(
            layer.join("both"),
            layer.file_name().unwrap().to_str().unwrap(),
        )
        .unwrap();
    }
    std::fs::write(layers[0].join("one"), "1").unwrap();
    let mut spec = room.shell(
        "app",
        "cat /both; echo; cat /one; echo; rm /one; echo changed > /both; cat /both",
    );
    spec.layers = layers.to_vec();
    let (exit, lines) = room.run(spec);
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(
        lines,
        ["stdout with:colon,and comma", "stdout 1", "stdout changed"]
    );
    assert_eq!(
        std::fs::read_to_string(layers[1].join("both")).unwrap(),
        "with:colon,and comma"
    );
    assert!(layers[0].join("one").exists());
}

fn a_symbolic_link_in_an_image_leads_no_mount_out_of_the_root() {
    let room = Room::new();
    let (layer, victim, source) = (room.path("layer"), room.path("victim"), room.path("source"));
    for directory in [&layer, &victim, &source] {
        std::fs::create_dir(directory).unwrap();
    }
    std::os::unix::fs::symlink(&victim, layer.join("data")).unwrap();
    std::fs::write(source.join("file"), "content").unwrap();
    let mut spec = room.shell("app", "cat /data/sub/file; echo more > /data/other");
    spec.layers = vec![layer];
    spec.mounts.push(bind(&source, "/data/sub", false));
    let container = room.start(spec);
    container.wait(LIMIT).unwrap();
    assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
}

fn a_read_only_root_refuses_writes_and_its_tmpfs_takes_them() {
    let room = Room::new();
    let mut spec = room.shell("app", "echo x > /file; echo y > /tmp/file && cat /tmp/file; stat -c %a /tmp; df -k /tmp | tail -1 | tr -s ' ' | cut -d' ' -f2");
    spec.read_only_root = true;
    spec.mounts.push(Mount {
        target: "/tmp".into(),
        source: MountSource::Tmpfs {
            size: Some(65536),
            mode: 0o1777,
        },
        read_only: false,
    });
    let (_, mut lines) = room.run(spec);
    lines.sort();
    assert!(
        lines[0].contains("/file: Read-only file system"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["stdout 1777", "stdout 64", "stdout y"]);
}

fn a_read_only_bind_refuses_writes_and_a_writable_one_reaches_the_host() {
    let room = Room::new();
    let data = room.path("data");
    std::fs::create_dir(&data).unwrap();
    let mut spec = room.shell("app", "echo x > /ro/file; echo y > /rw/file");
    spec.mounts.push(bind(&data, "/ro", true));
    spec.mounts.push(bind(&data, "/rw", false));
    let (_, lines) = room.run(spec);
    assert!(
        lines.len() == 1 && lines[0].contains("Read-only file system"),
        "{lines:?}"
    );
    assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "y\n");
}

fn a_user_other_than_root_holds_no_capability() {
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

fn root_holds_only_what_it_was_given() {
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

fn the_capabilities_of_istio_init_suffice_to_load_rules() {
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

fn no_new_privileges_is_passed_on() {
    let room = Room::new();
    let mut spec = room.shell("app", "grep NoNewPrivs /proc/self/status");
    spec.no_new_privs = true;
    assert_eq!(room.run(spec).1, ["stdout NoNewPrivs:\t1"]);
}

fn the_proxys_user_opens_dev_stdout_again() {
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

fn no_signal_is_ignored_or_blocked() {
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

fn no_descriptor_of_the_owner_reaches_a_container() {
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

fn an_exit_status_is_reported() {
    let room = Room::new();
    let (exit, lines) = room.run(room.shell("app", "printf 'no newline'; exit 7"));
    assert_eq!((exit, exit.code()), (Exit::Code(7), 7));
    assert_eq!(
        lines,
        ["stdout no newline"],
        "the output is complete when the end is known"
    );
}

fn a_signal_is_delivered_and_a_death_by_signal_reported() {
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

fn stop_kills_what_does_not_end_by_itself() {
    let room = Room::new();
    // Pid 1 without a handler ignores SIGTERM.
    let container = room.start(room.shell("app", "sleep 1000; echo not reached"));
    assert_eq!(container.stop(Duration::from_millis(50)), Exit::Signal(9));
    assert_eq!(container.exited(), Some(Exit::Signal(9)));
}

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

fn a_missing_program_is_reported_to_the_caller_as_runc_reports_it() {
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

fn a_missing_mount_source_or_layer_is_named() {
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

fn a_container_outlives_the_thread_that_started_it() {
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

fn a_program_executed_in_a_container_sees_what_the_container_sees() {
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

fn a_program_executed_in_a_container_reads_its_input() {
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

fn executing_a_missing_program_says_so() {
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

fn executing_in_an_ended_container_is_refused() {
    let room = Room::new();
    let container = room.start(room.shell("app", "true"));
    container.wait(LIMIT).unwrap();
    let refused = container.exec(ExecSpec::new(vec!["true".into()]));
    assert!(matches!(refused, Err(Error::NotRunning { .. })));
}

fn two_containers_cannot_have_one_id() {
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

fn a_full_disk_is_reported_with_the_file() {
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

fn the_end_can_be_awaited() {
    let room = Room::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let container = room.start(room.shell("app", "exit 4"));
    assert_eq!(runtime.block_on(container.exit()), Exit::Code(4));
}

fn dropping_a_container_leaves_no_process_mount_or_directory() {
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

fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        target: target.into(),
        source: MountSource::Bind(source.to_owned()),
        read_only,
    }
}
