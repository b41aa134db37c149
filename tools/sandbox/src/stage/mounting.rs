//! mount(2) in the few shapes that a container needs.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::{Step, cannot};

/// As the kernel's own limit in one lookup.
const MAX_LINKS: u32 = 40;

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
            Self::Directory => make_directory(path, 0),
            Self::File if path.exists() => Ok(()),
            Self::File => path
                .parent()
                .map_or(Ok(()), |above| make_directory(above, 0))
                .and_then(|()| {
                    OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(path)
                        .map(drop)
                }),
        };
        made.map_err(cannot(format!(
            "create {} in the container",
            path.display()
        )))
    }
}

/// As `create_dir_all`, but an image's symbolic link that leads to nothing yet (/var/run to /run in
/// an image without /run) gets what it leads to.
fn make_directory(path: &Path, links_followed: u32) -> std::io::Result<()> {
    let mut made = PathBuf::new();
    for part in path.components() {
        made.push(part);
        if made.is_dir() {
            continue;
        }
        match std::fs::read_link(&made) {
            Ok(_) if links_followed == MAX_LINKS => {
                return Err(std::io::Error::other("too many symbolic links"));
            }
            Ok(to) => {
                let above = made.parent().unwrap_or(Path::new("/"));
                make_directory(&above.join(to), links_followed + 1)?;
            }
            Err(_) => std::fs::create_dir(&made)?,
        }
    }
    Ok(())
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
