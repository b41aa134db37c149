//! Network namespaces of a test's own, and the programs that look into them.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use clap::Parser;
use nix::sched::{CloneFlags, unshare};
use redirect::{Options, Streams};

/// Run in a thread that has a network namespace of its own, with the loopback interface up; it goes with the thread.
pub(crate) fn fresh<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let work = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace: run this test as root");
        ip(&["link", "set", "lo", "up"]);
        body()
    };
    thread::spawn(work)
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn output(program: &str, package: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} (Debian package {package}) is needed for this test: {error}")
        });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {errors}\n{input}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Run `nft` in the calling thread's namespace.
pub(crate) fn nft(arguments: &[&str], input: &str) -> String {
    output("nft", "nftables", arguments, input)
}

/// The rules of iptables in the calling thread's namespace, of both families, without counters and times. `variant` is
/// `nft` or `legacy`.
pub(crate) fn saved_by(variant: &str) -> String {
    let mut text = String::new();
    for family in ["iptables", "ip6tables"] {
        let saved = output(&format!("{family}-{variant}-save"), "iptables", &[], "");
        let lines = saved.lines().filter(|line| !line.starts_with('#'));
        lines.for_each(|line| text.extend([line.split(" [").next().unwrap(), "\n"]));
    }
    text
}

/// Adds rules of iptables for IPv4.
pub(crate) fn restored(variant: &str, rules: &str) {
    let program = format!("iptables-{variant}-restore");
    output(&program, "iptables", &["--noflush"], rules);
}

/// Run `ip` in the calling thread's namespace.
pub(crate) fn ip(arguments: &[&str]) -> String {
    output("ip", "iproute2", arguments, "")
}

/// The rules of the calling thread's namespace.
pub(crate) fn listed() -> String {
    nft(&["list", "ruleset"], "")
}

/// Run `istio-iptables` in the calling thread's namespace: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (u8, String, String) {
    let options = Options::try_parse_from(["istio-iptables"].iter().chain(arguments)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = redirect::run_with(
        &options,
        Streams {
            out: &mut out,
            err: &mut err,
        },
    );
    (
        code,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

/// The same in a thread that has given up its capabilities.
pub(crate) fn run_without_capabilities(arguments: &[&str]) -> (u8, String, String) {
    let work = || {
        caps::clear(None, caps::CapSet::Effective).unwrap();
        run(arguments)
    };
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// Another network namespace, kept by a thread that waits in it for work.
pub(crate) struct Other {
    work: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    thread_id: i32,
}

impl Other {
    pub(crate) fn new() -> Self {
        let (work, todo) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (say, hear) = mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("a new network namespace: run this test as root");
            ip(&["link", "set", "lo", "up"]);
            say.send(nix::unistd::gettid().as_raw()).unwrap();
            while let Ok(work) = todo.recv() {
                work();
            }
        });
        let thread_id = hear.recv().unwrap();
        Self { work, thread_id }
    }

    /// The file that names it.
    pub(crate) fn path(&self) -> String {
        format!(
            "/proc/{}/task/{}/ns/net",
            std::process::id(),
            self.thread_id
        )
    }

    /// Run there.
    pub(crate) fn inside<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> T {
        let (say, hear) = mpsc::channel();
        self.work
            .send(Box::new(move || say.send(body()).unwrap()))
            .unwrap();
        hear.recv().unwrap()
    }
}
