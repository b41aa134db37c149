//! Which hierarchies of control groups a machine has, and where.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What of a group is limited or counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Controller {
    /// Limits and counts memory.
    Memory,
    /// Limits processor time.
    Cpu,
    /// Counts processor time: part of `cpu` in version 2.
    CpuAccount,
}

impl Controller {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuAccount => "cpuacct",
        }
    }
}

/// One tree of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) root: PathBuf,
    /// Version 2.
    pub(super) unified: bool,
    /// What it can do of what is needed.
    pub(super) controllers: Vec<Controller>,
}

/// The hierarchies in a text of /proc/self/mountinfo (proc(5)). `controllers_of` reads `cgroup.controllers` of a root
/// of version 2: on machines with both versions that has what version 1 has not.
pub(super) fn find(mountinfo: &str, controllers_of: impl Fn(&Path) -> String) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, kind)) = line.split_once(" - ") else {
            continue;
        };
        let Some(root) = place.split(' ').nth(4).map(PathBuf::from) else {
            continue;
        };
        let mut kind = kind.split(' ');
        let file_system = kind.next().unwrap_or_default();
        let options = kind.nth(1).unwrap_or_default().to_owned();
        let (unified, names) = match file_system {
            "cgroup" => (false, options.replace(',', " ")),
            "cgroup2" => (true, controllers_of(&root)),
            _ => continue,
        };
        let has = |name: &str| names.split_whitespace().any(|word| word == name);
        let mut controllers = Vec::new();
        for (controller, there) in [
            (Controller::Memory, has("memory")),
            (Controller::Cpu, has("cpu")),
            (
                Controller::CpuAccount,
                has(if unified { "cpu" } else { "cpuacct" }),
            ),
        ] {
            // A hierarchy may be mounted twice; a controller is in one alone.
            let known = found.iter().any(|h| h.controllers.contains(&controller));
            if there && !known {
                controllers.push(controller);
            }
        }
        if !controllers.is_empty() {
            found.push(Hierarchy {
                root,
                unified,
                controllers,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(root: &str, unified: bool, controllers: &[Controller]) -> Hierarchy {
        Hierarchy {
            root: root.into(),
            unified,
            controllers: controllers.to_vec(),
        }
    }

    #[test]
    fn a_machine_of_version_2_has_one_hierarchy() {
        let table = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let all = [Controller::Memory, Controller::Cpu, Controller::CpuAccount];
        assert_eq!(
            find(table, |_| "cpuset cpu io memory pids\n".to_owned()),
            [hierarchy("/sys/fs/cgroup", true, &all)]
        );
        assert!(find(table, |_| String::new()).is_empty());
    }

    #[test]
    fn a_machine_of_version_1_has_one_for_each_mount_also_where_two_controllers_share_one() {
        let table = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            32 25 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            find(table, |_| "hugetlb".to_owned()),
            [
                hierarchy("/sys/fs/cgroup/memory", false, &[Controller::Memory]),
                hierarchy(
                    "/sys/fs/cgroup/cpu,cpuacct",
                    false,
                    &[Controller::Cpu, Controller::CpuAccount]
                ),
            ]
        );
    }
}
