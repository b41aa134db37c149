//! Runs of the program, by itself and under valgrind.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

/// What threads executed.
#[derive(Default)]
pub struct Thread {
    /// Outside the kernel.
    pub instructions: u64,
    pub system_calls: u64,
}

/// What one run executed.
#[derive(Default)]
pub struct Executed {
    /// Of the first thread.
    pub main: Thread,
    /// Of all others.
    pub others: Thread,
}

/// Heap memory of one run.
pub struct Heap {
    /// Allocations and reallocations.
    pub allocations: u64,
    /// Bytes that are in use at the end.
    pub held: u64,
}

/// What the work executes when it is done so many times.
pub fn executed(work: &str, times: u32) -> Executed {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let file = format!("--callgrind-out-file={}", out.display());
    let options = [
        "--tool=callgrind",
        "--separate-threads=yes",
        "--collect-systime=yes",
        &file,
    ];
    let mut valgrind = Command::new("valgrind");
    valgrind.args(options).arg(program());
    finished(valgrind, work, times);
    let mut executed = Executed::default();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let threads = match path.file_name().unwrap().to_str().unwrap() {
            "out-01" => &mut executed.main,
            name if name.starts_with("out-") => &mut executed.others,
            _ => continue,
        };
        let [instructions, system_calls] = totals(&path);
        threads.instructions += instructions;
        threads.system_calls += system_calls;
    }
    assert!(
        executed.main.instructions > 0,
        "callgrind counted nothing of {work}"
    );
    executed
}

/// Instructions and system calls of one thread.
fn totals(path: &Path) -> [u64; 2] {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |start: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("no `{start}` in callgrind's file"))
            .trim()
    };
    assert!(line("events:").starts_with("Ir sysCount"));
    let mut numbers = line("totals:").split(' ').map(|n| n.parse().unwrap());
    // Events that never came are left out at the end.
    [(); 2].map(|()| numbers.next().unwrap_or(0))
}

/// What the work holds and allocates when it is done so many times.
pub fn heap(work: &str, times: u32) -> Heap {
    let output = finished(Command::new(program()), work, times);
    let report = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = report.split_whitespace().collect();
    let [allocations, "allocations,", held, "bytes", "held"] = words[..] else {
        panic!("{work} {times} reports: {report}");
    };
    Heap {
        allocations: allocations.parse().unwrap(),
        held: held.parse().unwrap(),
    }
}

fn program() -> OsString {
    std::env::var_os("LATEEN_COST")
        .expect("LATEEN_COST must name an optimized build of `cost`: cargo build --release -p cost")
}

fn finished(mut command: Command, work: &str, times: u32) -> Output {
    let output = command
        .args([work, &times.to_string()])
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{work} {times}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
