//! What the processes of a mesh take of the machine's memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

/// The processes of one program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Memory {
    /// Its name.
    pub program: String,
    /// How many there are.
    pub processes: usize,
    /// Their proportional set sizes together, in MiB: what several share counts once.
    pub mib: f64,
}

/// The mesh's daemon and all that it has started, the largest first.
pub(super) fn of_mesh(name: &str) -> Vec<Memory> {
    let processes = processes();
    let mut of_mesh: BTreeSet<u32> = processes
        .iter()
        .filter(|(_, process)| process.is_daemon_of(name))
        .map(|(pid, _)| *pid)
        .collect();
    loop {
        let more: Vec<u32> = processes
            .iter()
            .filter(|(pid, process)| of_mesh.contains(&process.parent) && !of_mesh.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        of_mesh.extend(more);
    }
    let mut by_program: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for pid in of_mesh {
        let (Some(process), Some(kib)) = (processes.get(&pid), proportional(pid)) else {
            continue;
        };
        let sum = by_program.entry(process.program()).or_default();
        *sum = (sum.0 + 1, sum.1 + kib);
    }
    let mut found: Vec<Memory> = by_program
        .into_iter()
        .map(|(program, (processes, kib))| Memory {
            program,
            processes,
            mib: kib as f64 / 1024.0,
        })
        .collect();
    found.sort_by(|a, b| b.mib.total_cmp(&a.mib));
    found
}

struct Process {
    parent: u32,
    words: Vec<String>,
}

impl Process {
    fn is_daemon_of(&self, mesh: &str) -> bool {
        let has = |word: &str| self.words.iter().any(|w| w == word);
        has("local") && has("up") && has("--foreground") && has(mesh)
    }

    /// `pilot-agent`; of programs that name their work after a space, that too.
    fn program(&self) -> String {
        let first = self.words.first().map_or("", String::as_str);
        let (path, work) = first.split_once(' ').unwrap_or((first, ""));
        let name = Path::new(path).file_name().unwrap_or_default();
        match work.split(' ').next() {
            Some(work) if !work.is_empty() => format!("{} {work}", name.to_string_lossy()),
            _ => name.to_string_lossy().into_owned(),
        }
    }
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let words = String::from_utf8_lossy(&line)
                .split('\0')
                .map(str::to_owned)
                .collect();
            let parent = parent.trim().parse().ok()?;
            Some((pid, Process { parent, words }))
        })
        .collect()
}

/// In KiB; `None` for a process that has just ended.
fn proportional(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(line: &[&str]) -> Process {
        Process {
            parent: 1,
            words: line.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    #[test]
    fn programs_are_named_by_what_they_are() {
        for (line, name) in [
            (&["/usr/local/bin/pilot-agent", "proxy"][..], "pilot-agent"),
            (
                &["lateen-sandbox shim 6f5d5cd1-discovery-0 sandbox:shim"],
                "lateen-sandbox shim",
            ),
            (&[], ""),
        ] {
            assert_eq!(process(line).program(), name);
        }
    }

    #[test]
    fn the_daemon_is_told_from_other_meshes_and_from_its_clients() {
        let daemon = ["lateen", "local", "--name", "many-7", "up", "--foreground"];
        assert!(process(&daemon).is_daemon_of("many-7"));
        assert!(!process(&daemon).is_daemon_of("many-77"));
        assert!(!process(&daemon[..5]).is_daemon_of("many-7"));
    }

    #[test]
    fn this_process_takes_some_memory() {
        assert!(proportional(std::process::id()).is_some_and(|kib| kib > 0));
    }
}
