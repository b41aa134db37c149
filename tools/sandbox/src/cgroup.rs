//! Control groups of containers, of version 1 and 2 (cgroups(7)): limits, what is used, and whether the kernel
//! killed a process for its memory.
//!
//! A container's group is `lateen/<owner's pid>-<id>` below the root of each hierarchy. The shim makes it, puts the
//! init into it before the program is executed, and removes it when the container has ended; who owns the container
//! removes what a killed shim left.

mod hierarchy;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use hierarchy::{Controller, Hierarchy};

/// The directory of all containers' groups.
const PARENT: &str = "lateen";
/// The period over which processor time is shared out, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;
/// The smallest quota that the kernel takes, in microseconds.
const LEAST_QUOTA: u64 = 1_000;

/// What a container may use of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory, swap included; one process too many is killed by the kernel.
    pub memory: Option<u64>,
    /// Thousandths of a processor; more is throttled.
    pub millicores: Option<u64>,
    /// Thousandths of a processor asked for: the share of processors that are short.
    pub requested_millicores: Option<u64>,
}

impl Limits {
    fn asks_for_any(&self) -> bool {
        self.memory.is_some() || self.millicores.is_some()
    }
}

/// What the processes of a container have used and use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time.
    pub cpu: Duration,
    /// Bytes of memory without files that the kernel can drop at once: Kubernetes' working set.
    pub memory: u64,
}

/// The directories of one container's group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    name: String,
    parts: Vec<Part>,
    /// Why limits cannot be enforced here; empty when they can.
    lacking: String,
}

/// A group in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    hierarchy: Hierarchy,
    directory: PathBuf,
}

impl Group {
    /// Where the group of a container would be on this machine; nothing is made.
    pub(crate) fn of(id: &str) -> Self {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let found = hierarchy::find(&table, |root| {
            std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default()
        });
        let name = format!("{}-{id}", std::process::id());
        let missing: Vec<&str> = [Controller::Memory, Controller::Cpu]
            .into_iter()
            .filter(|wanted| !found.iter().any(|h| h.controllers.contains(wanted)))
            .map(Controller::name)
            .collect();
        Self {
            parts: found
                .into_iter()
                .map(|hierarchy| Part {
                    directory: hierarchy.root.join(PARENT).join(&name),
                    hierarchy,
                })
                .collect(),
            lacking: match missing.is_empty() {
                true => String::new(),
                false => format!(
                    "no cgroup hierarchy of this machine has the controller {}",
                    missing.join(", ")
                ),
            },
            name,
        }
    }

    /// Makes the group with its limits. Some tells why limits that were asked for are not in force.
    ///
    /// # Errors
    /// When the kernel refuses a limit, such as one of memory that is too small.
    pub(crate) fn make(&mut self, limits: Limits) -> Result<Option<String>, String> {
        let mut problem = self.lacking.clone();
        self.parts.retain(|part| match part.create() {
            Ok(()) => true,
            Err(error) => {
                problem = format!("cannot make {}: {error}", part.directory.display());
                false
            }
        });
        for part in &self.parts {
            for (file, value, must) in part.settings(limits) {
                let path = part.directory.join(file);
                match std::fs::write(&path, &value) {
                    Err(error) if must => {
                        return Err(format!("cannot set {} to {value}: {error}", path.display()));
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(problem).filter(|problem| !problem.is_empty() && limits.asks_for_any()))
    }

    /// Puts a process into the group; what it starts afterwards is in it too. 0 is the caller.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn add(&self, pid: i32) -> io::Result<()> {
        for part in &self.parts {
            std::fs::write(part.directory.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Whether the kernel killed a process of the group for its memory limit.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.parts
            .iter()
            .filter(|part| part.hierarchy.controllers.contains(&Controller::Memory))
            .any(|part| {
                let file = match part.hierarchy.unified {
                    true => "memory.events",
                    false => "memory.oom_control",
                };
                number_after(&part.read(file), "oom_kill").is_some_and(|kills| kills > 0)
            })
    }

    /// What the group uses; None when it is gone.
    ///
    /// # Errors
    /// Why this machine cannot tell.
    pub(crate) fn usage(&self) -> Result<Option<Usage>, String> {
        let with = |controller| {
            self.parts
                .iter()
                .find(|part| part.hierarchy.controllers.contains(&controller))
        };
        let (Some(memory), Some(cpu)) = (with(Controller::Memory), with(Controller::CpuAccount))
        else {
            return Err(match self.lacking.as_str() {
                "" => "no cgroup could be made for the container".to_owned(),
                lacking => lacking.to_owned(),
            });
        };
        Ok(memory.working_set().and_then(|memory| {
            Some(Usage {
                memory,
                cpu: cpu.processor_time()?,
            })
        }))
    }

    /// Removes the group, whose processes have ended. What cannot be removed stays for the next who tries.
    pub(crate) fn remove(&self) {
        for part in &self.parts {
            // A process that has just ended may be counted for a moment longer.
            for _ in 0..50 {
                match std::fs::remove_dir(&part.directory) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    _ => break,
                }
            }
            if let Some(parent) = part.directory.parent() {
                // Others may have groups in it.
                let _ = std::fs::remove_dir(parent);
            }
        }
    }
}

impl Part {
    fn create(&self) -> io::Result<()> {
        let parent = self.hierarchy.root.join(PARENT);
        let mut tries = 0;
        loop {
            if self.hierarchy.unified {
                enable(&self.hierarchy.root)?;
            }
            let made = make_directory(&parent)
                .and_then(|()| match self.hierarchy.unified {
                    true => enable(&parent),
                    false => Ok(()),
                })
                .and_then(|()| make_directory(&self.directory));
            tries += 1;
            match made {
                // Another container's end removed the parent in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 10 => {}
                other => return other,
            }
        }
    }

    /// Files, what to write, and whether the kernel must take it.
    fn settings(&self, limits: Limits) -> Vec<(&'static str, String, bool)> {
        let has = |controller| self.hierarchy.controllers.contains(&controller);
        let unified = self.hierarchy.unified;
        let mut settings = Vec::new();
        if let (Some(bytes), true) = (limits.memory, has(Controller::Memory)) {
            if unified {
                settings.push(("memory.max", bytes.to_string(), true));
                settings.push(("memory.swap.max", "0".to_owned(), false));
                settings.push(("memory.oom.group", "1".to_owned(), false));
            } else {
                settings.push(("memory.limit_in_bytes", bytes.to_string(), true));
                settings.push(("memory.memsw.limit_in_bytes", bytes.to_string(), false));
            }
        }
        if has(Controller::Cpu) {
            if let Some(millicores) = limits.millicores {
                let quota = (millicores.saturating_mul(PERIOD) / 1000).max(LEAST_QUOTA);
                if unified {
                    settings.push(("cpu.max", format!("{quota} {PERIOD}"), true));
                } else {
                    settings.push(("cpu.cfs_period_us", PERIOD.to_string(), true));
                    settings.push(("cpu.cfs_quota_us", quota.to_string(), true));
                }
            }
            let shares = shares(limits.requested_millicores.unwrap_or(0));
            if unified {
                settings.push(("cpu.weight", weight(shares).to_string(), false));
            } else {
                settings.push(("cpu.shares", shares.to_string(), false));
            }
        }
        settings
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }

    fn working_set(&self) -> Option<u64> {
        let (used, droppable) = match self.hierarchy.unified {
            true => ("memory.current", "inactive_file"),
            false => ("memory.usage_in_bytes", "total_inactive_file"),
        };
        let used: u64 = self.read(used).trim().parse().ok()?;
        let droppable = number_after(&self.read("memory.stat"), droppable).unwrap_or(0);
        Some(used.saturating_sub(droppable))
    }

    fn processor_time(&self) -> Option<Duration> {
        if self.hierarchy.unified {
            number_after(&self.read("cpu.stat"), "usage_usec").map(Duration::from_micros)
        } else {
            let nanoseconds = self.read("cpuacct.usage").trim().parse().ok()?;
            Some(Duration::from_nanos(nanoseconds))
        }
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Lets the groups below `directory` have limits. The kernel refuses that where processes are in the group itself.
fn enable(directory: &Path) -> io::Result<()> {
    let file = directory.join("cgroup.subtree_control");
    let enabled = std::fs::read_to_string(&file)?;
    for controller in ["cpu", "memory"] {
        if !enabled.split_whitespace().any(|word| word == controller) {
            std::fs::write(&file, format!("+{controller}"))?;
        }
    }
    Ok(())
}

/// `NAME NUMBER` in lines of the kernel's.
fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(field, _)| *field == name)
        .and_then(|(_, number)| number.trim().parse().ok())
}

/// Kubernetes' `MilliCPUToShares`.
fn shares(millicores: u64) -> u64 {
    (millicores.saturating_mul(1024) / 1000).clamp(2, 262_144)
}

/// The weight of version 2 for the shares of version 1, as Kubernetes converts them.
fn weight(shares: u64) -> u64 {
    1 + (shares.saturating_sub(2) * 9999) / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(unified: bool, controllers: &[Controller]) -> Part {
        Part {
            hierarchy: Hierarchy {
                root: "/cg".into(),
                unified,
                controllers: controllers.to_vec(),
            },
            directory: "/cg/lateen/1-a".into(),
        }
    }

    const LIMITS: Limits = Limits {
        memory: Some(64 << 20),
        millicores: Some(250),
        requested_millicores: Some(100),
    };

    fn settings(part: &Part, limits: Limits) -> Vec<(&'static str, String)> {
        let all = part.settings(limits).into_iter();
        all.map(|(file, value, _)| (file, value)).collect()
    }

    #[test]
    fn limits_are_the_same_in_both_versions() {
        let one = part(false, &[Controller::Memory, Controller::Cpu]);
        let owned = |list: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            list.iter().map(|(f, v)| (*f, (*v).to_owned())).collect()
        };
        assert_eq!(
            settings(&one, LIMITS),
            owned(&[
                ("memory.limit_in_bytes", "67108864"),
                ("memory.memsw.limit_in_bytes", "67108864"),
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "25000"),
                ("cpu.shares", "102"),
            ])
        );
        let two = part(true, &[Controller::Memory, Controller::Cpu]);
        assert_eq!(
            settings(&two, LIMITS),
            owned(&[
                ("memory.max", "67108864"),
                ("memory.swap.max", "0"),
                ("memory.oom.group", "1"),
                ("cpu.max", "25000 100000"),
                ("cpu.weight", "4"),
            ])
        );
    }

    #[test]
    fn a_hierarchy_gets_what_its_controllers_know() {
        let memory = part(false, &[Controller::Memory]);
        let files: Vec<&str> = settings(&memory, LIMITS).iter().map(|(f, _)| *f).collect();
        assert_eq!(
            files,
            ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        );
        let account = part(false, &[Controller::CpuAccount]);
        assert!(settings(&account, LIMITS).is_empty());
    }

    #[test]
    fn the_kernels_numbers_are_found_by_their_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(number_after(text, "oom_kill"), Some(3));
        assert_eq!(number_after(text, "oom"), None);
    }
}
