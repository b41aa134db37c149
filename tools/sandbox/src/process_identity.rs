//! Telling a process from a later one with the same pid.

use serde::{Deserialize, Serialize};

/// A pid with the start time that makes it unique until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) pid: i32,
    /// Field 22 of `/proc/<pid>/stat`, clock ticks since boot.
    start_time: u64,
}

impl ProcessIdentity {
    /// The process that has `pid` now.
    pub(crate) fn of(pid: i32) -> std::io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_time = start_time(&stat).ok_or_else(|| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat has no start time"),
            )
        })?;
        Ok(Self { pid, start_time })
    }

    /// A process that had `pid` and has ended: equal to none that lives.
    pub(crate) fn gone(pid: i32) -> Self {
        Self {
            pid,
            start_time: u64::MAX,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now == *self)
    }
}

/// The command (field 2) may hold blanks and brackets, so counting starts after its last bracket.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_command_with_brackets_and_blanks_does_not_shift_the_start_time() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(start_time(stat), Some(4242));
    }

    #[test]
    fn this_process_is_alive_and_one_with_another_start_is_not() {
        let me = ProcessIdentity::of(std::process::id().try_into().unwrap()).unwrap();
        assert!(me.is_alive());
        assert!(
            !ProcessIdentity {
                start_time: me.start_time + 1,
                ..me
            }
            .is_alive()
        );
    }
}
