//! A test runner whose `main` can first be a container's stage, and what the tests share.
#![allow(dead_code)] // Each test program uses its part.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandbox::container::{Container, ContainerSpec, Exit, Mount, MountSource};

/// Long enough for a busy machine; never asserted as a speed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// One test: its name and what it does.
pub(crate) type Test = (&'static str, fn());

/// Names each test by its function.
#[macro_export]
macro_rules! tests {
    ($($test:path),* $(,)?) => { &[$((stringify!($test), $test as fn())),*] };
}

/// Runs the tests whose name holds one of the arguments, in order, and exits.
pub(crate) fn run(tests: &[Test]) -> ! {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        std::process::exit(0);
    }
    if !nix::unistd::geteuid().is_root() {
        println!("these tests make namespaces: run them as root, for example with sudo -E");
        std::process::exit(1);
    }
    let mut failed = Vec::new();
    let mut ran = 0;
    for (name, test) in tests {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        ran += 1;
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    println!("{} of {ran} tests passed", ran - failed.len());
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// Directories of one test, removed with it.
pub(crate) struct Room {
    directory: PathBuf,
    _removed_with_it: Option<tempfile::TempDir>,
}

impl Room {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            directory: directory.path().to_owned(),
            _removed_with_it: Some(directory),
        }
    }

    /// A room of another process, which outlives this one.
    pub(crate) fn of_another(directory: &str) -> Self {
        Self {
            directory: directory.into(),
            _removed_with_it: None,
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A container with the host's programs, read-only, that runs a shell script.
    pub(crate) fn shell(&self, id: &str, script: &str) -> ContainerSpec {
        let args = ["/bin/sh", "-c", script].map(String::from).to_vec();
        self.container(id, args)
    }

    /// As [`Room::shell`], with any arguments.
    pub(crate) fn container(&self, id: &str, args: Vec<String>) -> ContainerSpec {
        let mut spec = ContainerSpec::new(id, args, self.path(&format!("{id}.log")));
        for directory in ["/usr", "/bin", "/sbin", "/lib", "/lib64"] {
            if Path::new(directory).exists() {
                spec.mounts.push(read_only(directory, directory));
            }
        }
        let me = std::env::current_exe().unwrap();
        spec.mounts
            .push(read_only(me.to_str().unwrap(), "/test-program"));
        spec
    }

    pub(crate) fn start(&self, spec: ContainerSpec) -> Container {
        Container::start(spec, &self.state()).unwrap()
    }

    /// Runs a container to its end: how it ended and what it wrote, as `<stream> <line>`.
    pub(crate) fn run(&self, spec: ContainerSpec) -> (Exit, Vec<String>) {
        let log = spec.log.clone();
        let container = self.start(spec);
        let exit = container.wait(LIMIT).expect("the container ends");
        (exit, lines(&log))
    }
}

fn read_only(source: &str, target: &str) -> Mount {
    Mount {
        target: target.into(),
        source: MountSource::Bind(source.into()),
        read_only: true,
    }
}

/// The lines of a log without time and tag: `<stream> <line>`.
pub(crate) fn lines(log: &Path) -> Vec<String> {
    std::fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.splitn(4, ' ').collect();
            format!("{} {}", fields[1], fields[3])
        })
        .collect()
}

/// Polls until `done`, and fails with `what` after the limit.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a test could leave behind in the host: interfaces, mounts, processes of the sandbox.
pub(crate) fn traces() -> (Vec<String>, String, Vec<String>) {
    let mut interfaces: Vec<String> = std::fs::read_to_string("/proc/self/net/dev")
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect();
    interfaces.sort();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    (interfaces, mounts, own_processes())
}

/// Living descendants of this process.
fn own_processes() -> Vec<String> {
    let children = format!("/proc/{0}/task/{0}/children", std::process::id());
    std::fs::read_to_string(children)
        .unwrap()
        .split_whitespace()
        .map(String::from)
        .collect()
}

/// The directories that are there of the control group of an owner's container.
pub(crate) fn groups(owner: u32, id: &str) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    table
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .filter_map(|line| line.split(' ').nth(4))
        .map(|root| Path::new(root).join("lateen").join(format!("{owner}-{id}")))
        .filter(|group| group.exists())
        .collect()
}
