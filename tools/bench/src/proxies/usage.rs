//! What a process has used: read from /proc.

use std::time::Duration;

use crate::failure::{Doing, Failure};

/// What a process has used up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time of all its threads, to the scheduler's nanoseconds.
    pub(crate) cpu: Duration,
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
}

impl Usage {
    /// Of the process `pid`.
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        Ok(Usage {
            cpu: cpu(pid)?,
            resident: resident(pid)?,
        })
    }
}

/// The sum over the threads that live; no proxy here ends threads while it serves.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Failure> {
    let tasks = format!("/proc/{pid}/task");
    let mut nanoseconds = 0;
    for task in std::fs::read_dir(&tasks).doing(&tasks)? {
        let path = task.doing(&tasks)?.path().join("schedstat");
        // A thread may end between being listed and being read.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        nanoseconds += first_number(&text).ok_or_else(|| {
            Failure(format!(
                "{}: {text:?} has no CPU time (the kernel needs CONFIG_SCHED_INFO)",
                path.display()
            ))
        })?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn resident(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).doing(&path)?;
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .and_then(first_number)
        .map(|kib| kib * 1024)
        .ok_or_else(|| Failure(format!("{path}: no line Rss")))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_that_works_is_seen_to_use_cpu_and_memory() {
        let before = Usage::of(std::process::id()).unwrap();
        let end = std::time::Instant::now() + Duration::from_millis(50);
        let mut turns = 0_u64;
        while std::time::Instant::now() < end {
            turns = std::hint::black_box(turns + 1);
        }
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.cpu > before.cpu && turns > 0);
        assert!(after.resident > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let problem = Usage::of(u32::MAX).unwrap_err().to_string();
        assert!(problem.contains("/proc/4294967295/task"), "{problem}");
    }
}
