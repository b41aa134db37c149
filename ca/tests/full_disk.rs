//! What happens to the root of trust when the disk is full or read-only. Mounts small file systems in a mount namespace
//! of its own, so it needs root; run with `--features root-tests`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use ca::root::{Renewal, Root, RootDirectory, RootError};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs `test` with a fresh tmpfs of `size` bytes, which goes with the thread that alone can see it.
fn on_tmpfs(size: usize, test: impl FnOnce(&Path) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS)
            .expect("this test needs root, to mount file systems: run it as root");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        mount(
            Some("tmpfs"),
            directory.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        test(directory.path());
        nix::mount::umount(directory.path()).unwrap();
    });
    thread.join().unwrap();
}

fn at(directory: &Path, now: SystemTime) -> Result<Root, RootError> {
    RootDirectory {
        path: directory.to_owned(),
        trust_domain: "cluster.local".parse().unwrap(),
        renewal: Renewal::default(),
    }
    .open(now)
}

fn open(directory: &Path) -> Result<Root, RootError> {
    at(directory, SystemTime::now())
}

fn assert_names(error: &RootError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

#[test]
fn a_disk_that_is_full_from_the_start_is_named_and_stays_as_it_was() {
    on_tmpfs(4096, |directory| {
        fs::write(directory.join("other"), [0; 4096]).unwrap();
        let error = open(directory).unwrap_err();
        assert_names(&error, &["ca-key.pem", "No space left", "free space"]);
        assert_eq!(
            fs::read_dir(directory).unwrap().count(),
            1,
            "something half-written stayed behind"
        );
    });
}

#[test]
fn a_disk_that_fills_between_key_and_certificate_leaves_neither_and_the_next_start_succeeds() {
    on_tmpfs(8192, |directory| {
        let filler = directory.join("other");
        fs::write(&filler, [0; 4096]).unwrap();
        let error = open(directory).unwrap_err();
        assert_names(&error, &["ca-cert.pem", "No space left", "free space"]);
        assert_eq!(
            fs::read_dir(directory).unwrap().count(),
            1,
            "something half-written stayed behind"
        );
        fs::remove_file(filler).unwrap();
        // Two pages hold key and certificate; the copy for workloads is the third.
        assert_names(&open(directory).unwrap_err(), &["root-cert.pem"]);
        assert_eq!(
            fs::read_dir(directory).unwrap().count(),
            0,
            "something half-written stayed behind"
        );
    });
    on_tmpfs(12288, |directory| {
        let made = open(directory).unwrap();
        assert_eq!(open(directory).unwrap().pem(), made.pem());
    });
}

#[test]
fn a_read_only_disk_is_named_with_the_fix() {
    on_tmpfs(65536, |directory| {
        let none: Option<&str> = None;
        mount(
            none,
            directory,
            none,
            MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
            none,
        )
        .unwrap();
        assert_names(
            &open(directory).unwrap_err(),
            &["ca-key.pem", "Read-only file system", "writable"],
        );
    });
}

#[test]
fn a_root_that_cannot_be_renewed_for_want_of_space_signs_on_until_there_is_some() {
    on_tmpfs(64 * 1024, |directory| {
        let first = open(directory).unwrap();
        let filled = fs::write(directory.join("other"), [1; 64 * 1024]);
        assert!(filled.is_err(), "the disk is not full");
        let nearly_over = first.validity().not_after - std::time::Duration::from_secs(3600);
        assert_eq!(at(directory, nearly_over).unwrap().pem(), first.pem());
        let error = at(directory, first.validity().not_after).unwrap_err();
        assert_names(&error, &["ca-cert.pem", "No space left"]);
        fs::remove_file(directory.join("other")).unwrap();
        let renewed = at(directory, nearly_over).unwrap();
        assert_ne!(renewed.pem(), first.pem());
        assert_eq!(open(directory).unwrap().pem(), renewed.pem());
    });
}
