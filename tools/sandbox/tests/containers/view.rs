//! What a program finds in its container: processes, devices, files, streams.

use sandbox::container::{Exit, Mount, MountSource};

use crate::bind;
use crate::harness::{LIMIT, Room};

pub(super) fn a_program_is_pid_1_with_its_own_host_name_user_and_processes() {
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

pub(super) fn each_container_has_devices_and_the_names_of_its_streams() {
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

pub(super) fn nothing_of_the_host_is_mounted_but_what_was_asked_for() {
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

pub(super) fn the_pods_files_are_in_etc() {
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

pub(super) fn layers_lie_over_each_other_and_are_never_written() {
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

pub(super) fn a_symbolic_link_in_an_image_leads_no_mount_out_of_the_root() {
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

pub(super) fn a_read_only_root_refuses_writes_and_its_tmpfs_takes_them() {
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

pub(super) fn a_read_only_bind_refuses_writes_and_a_writable_one_reaches_the_host() {
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
