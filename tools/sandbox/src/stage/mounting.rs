//! mount(2) in the few shapes that a container needs.

use std::fs::OpenOptions;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::{Step, cannot};

/// What a mount's target has to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// For file systems and directories.
    Directory,
    /// For single files and devices.
    File,
}

impl Target {
    /// Makes the target, with the directories above it, unless it is there.
    pub(super) fn make(self, path: &Path) -> Step<()> {
        let made = match self {
            Self::Directory => std::fs::create_dir_all(path),
            Self::File if path.exists() => Ok(()),
            Self::File => path
                .parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| OpenOptions::new().create(true).append(true).open(path).map(drop)),
        };
        made.map_err(cannot(format!("create {} in the container", path.display())))
    }
}

pub(super) fn file_system(
    kind: &str,
    target: &Path,
    flags: MsFlags,
    options: &str,
) -> nix::Result<()> {
    mount(Some(kind), target, Some(kind), flags, Some(options))
}

pub(super) fn bind(source: &Path, target: &Path) -> nix::Result<()> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    )
}

/// Adds flags to a mount of this namespace without touching other mounts of its file system.
pub(super) fn remount_bind(target: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(
        None::<&str>,
        target,
        None::<&str>,
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags,
        None::<&str>,
    )
}
