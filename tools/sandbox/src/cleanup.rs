//! What a crashed owner left on disk, and the proof that its processes are gone.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cgroup::Group;
use crate::process_identity::ProcessIdentity;

/// In each container's directory.
const FILE: &str = "processes.json";

/// Who owns a container's directory and which processes belong to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    owner: ProcessIdentity,
    processes: Vec<ProcessIdentity>,
    group: Group,
}

impl Record {
    pub(crate) fn of_owner(group: &Group) -> Result<Self, Error> {
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        Ok(Self {
            owner: ProcessIdentity::of(pid).map_err(Error::file("read", "/proc/self/stat"))?,
            processes: Vec::new(),
            group: group.clone(),
        })
    }

    /// Adds a process, unless it has ended already.
    pub(crate) fn with(mut self, pid: i32) -> Self {
        self.processes.extend(ProcessIdentity::of(pid).ok());
        self
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE);
        serde_json::to_vec(self)
            .map_err(std::io::Error::from)
            .and_then(|text| std::fs::write(&path, text))
            .map_err(Error::file("write", &path))
    }

    fn read(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(directory.join(FILE)).ok()?).ok()
    }
}

/// Removes the containers that owners which no longer live left below `state_directory`:
/// processes by pid and start time, mounts, directories. Containers of living owners stay. Returns
/// the ids of what was removed; a directory that does not exist has nothing to remove.
///
/// # Errors
/// [`Error::File`] with the first thing that could not be removed; the rest is removed.
pub fn cleanup(state_directory: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(state_directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", state_directory)(error)),
    };
    let mut removed = Vec::new();
    let mut first_error = None;
    for directory in entries.flatten().map(|entry| entry.path()) {
        // A directory without a readable record is not a container's.
        let Some(record) = Record::read(&directory) else {
            continue;
        };
        if record.owner.is_alive() {
            continue;
        }
        match remove(&directory, &record) {
            Ok(()) => removed.extend(
                directory
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            ),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        None => Ok(removed),
        Some(error) => Err(error),
    }
}

fn remove(directory: &Path, record: &Record) -> Result<(), Error> {
    for process in record.processes.iter().filter(|process| process.is_alive()) {
        // It may end by itself in between.
        let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
    record.group.remove();
    for mount in mounts_below(directory)? {
        umount2(&mount, MntFlags::MNT_DETACH)
            .map_err(|error| Error::file("unmount", &mount)(error.into()))?;
    }
    std::fs::remove_dir_all(directory).map_err(Error::file("remove", directory))
}

/// Innermost first.
fn mounts_below(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let directory = std::fs::canonicalize(directory).map_err(Error::file("read", directory))?;
    let table = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(Error::file("read", "/proc/self/mountinfo"))?;
    let mut mounts: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(unescape(path)))
        .filter(|path| path.starts_with(&directory))
        .collect();
    mounts.reverse();
    Ok(mounts)
}

/// mountinfo writes blank, tab, newline and backslash as three octal digits.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_container_of_a_living_owner_and_foreign_directories_stay() {
        let state = tempfile::tempdir().unwrap();
        let mine = state.path().join("mine");
        std::fs::create_dir(&mine).unwrap();
        Record::of_owner(&Group::default())
            .unwrap()
            .write(&mine)
            .unwrap();
        let foreign = state.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        assert!(cleanup(state.path()).unwrap().is_empty());
        assert!(mine.exists() && foreign.exists());
    }

    #[test]
    fn a_container_of_a_dead_owner_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let left = state.path().join("left");
        std::fs::create_dir_all(left.join("upper/deep")).unwrap();
        let record = Record {
            owner: ProcessIdentity::gone(1),
            processes: vec![ProcessIdentity::gone(2)],
            group: Group::default(),
        };
        record.write(&left).unwrap();
        assert_eq!(cleanup(state.path()).unwrap(), ["left"]);
        assert!(!left.exists());
    }
}
