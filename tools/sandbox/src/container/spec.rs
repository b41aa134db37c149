//! What a container is made of.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::capabilities::Capabilities;
use crate::cgroup::Limits;

/// One container to start. Paths of the host are absolute.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// Unique below its state directory; also the directory's name: letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// Host name in the container's own UTS namespace.
    pub hostname: String,
    /// Unpacked layers, bottom first. They are never written: the container writes to an overlay
    /// that is removed with it. No layer at all is an empty root with the mounts in it.
    pub layers: Vec<PathBuf>,
    /// `securityContext.readOnlyRootFilesystem`.
    pub read_only_root: bool,
    /// Mounts beside the standard ones (/proc, /dev, /sys); shorter targets first, whatever the order.
    pub mounts: Vec<Mount>,
    /// Content of /etc/hosts; the image's own when absent.
    pub hosts: Option<String>,
    /// Content of /etc/resolv.conf; the image's own when absent.
    pub resolv_conf: Option<String>,
    /// The network namespace of the pod; the caller's own when absent.
    pub netns: Option<Arc<OwnedFd>>,
    /// Program and its arguments: a program without `/` is looked for in the container's `PATH`.
    pub args: Vec<String>,
    /// The whole environment; `PATH` and `HOME` are added when absent.
    pub env: Vec<(String, String)>,
    /// Working directory, made when the image lacks it.
    pub cwd: PathBuf,
    /// Numeric user, group and supplementary groups.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups (`fsGroup`, `supplementalGroups`).
    pub groups: Vec<u32>,
    /// What uid 0 may do; other uids hold no capability.
    pub capabilities: Capabilities,
    /// `allowPrivilegeEscalation: false`.
    pub no_new_privs: bool,
    /// What it may use; what this machine cannot enforce is told by [`super::Container::unlimited`].
    pub limits: Limits,
    /// The file that stdout and stderr are written to in CRI format; its directory must exist.
    pub log: PathBuf,
    /// Bytes after which the log becomes `<log>.1` and a new one begins.
    pub log_limit: u64,
}

impl ContainerSpec {
    /// A container that runs `args` as root with the default capabilities in an empty root.
    pub fn new(id: impl Into<String>, args: Vec<String>, log: impl Into<PathBuf>) -> Self {
        let id = id.into();
        Self {
            hostname: id.clone(),
            id,
            layers: Vec::new(),
            read_only_root: false,
            mounts: Vec::new(),
            hosts: None,
            resolv_conf: None,
            netns: None,
            args,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            capabilities: Capabilities::default(),
            no_new_privs: false,
            limits: Limits::default(),
            log: log.into(),
            log_limit: 10 * 1024 * 1024,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let invalid = |field: &str, problem: &str| {
            Err(Error::Invalid {
                field: format!("container {:?}: {field}", self.id),
                problem: problem.to_owned(),
            })
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !self.id.starts_with(|c: char| c.is_ascii_alphanumeric())
            || self.id.len() > 200
            || !self.id.chars().all(plain)
        {
            return invalid(
                "id",
                "must be 1 to 200 letters, digits, '-', '_' or '.', beginning with a letter or digit",
            );
        }
        if self.args.first().is_none_or(String::is_empty) {
            return invalid(
                "args",
                "no command: the image has no entrypoint and the pod names none",
            );
        }
        if self.mounts.iter().any(|mount| !mount.target.is_absolute()) {
            return invalid(
                "mounts",
                "a mount's target must be an absolute path in the container",
            );
        }
        Ok(())
    }
}

/// Something mounted in a container's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, absolute in the container; made when the image lacks it.
    pub target: PathBuf,
    /// What.
    pub source: MountSource,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// What a [`Mount`] shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or directory of the host, with the mounts below it.
    Bind(PathBuf),
    /// An empty file system in memory.
    Tmpfs {
        /// Limit in bytes; half of the machine's memory when absent.
        size: Option<u64>,
        /// Permission bits of its root.
        mode: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_would_leave_the_state_directory_is_refused() {
        for id in ["", "..", ".hidden", "a/b", "a b"] {
            assert!(
                ContainerSpec::new(id, vec!["x".into()], "/log")
                    .check()
                    .is_err(),
                "{id:?}"
            );
        }
        assert!(
            ContainerSpec::new("pod-1_app.0", vec!["x".into()], "/log")
                .check()
                .is_ok()
        );
    }

    #[test]
    fn a_container_without_a_command_is_refused() {
        assert!(ContainerSpec::new("a", vec![], "/log").check().is_err());
    }
}
