//! The root of a container: an overlay over the image's layers, and the mounts in it.
//!
//! Everything below the root is resolved after `pivot_root`, so a symbolic link in an image cannot
//! lead a mount out of it. What is bound from the host is opened before and reached through
//! /proc/self/fd after.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use nix::unistd::{chdir, fchdir, pivot_root};

use super::mounting::{Target, bind, file_system, remount_bind};
use super::{Step, cannot, devices, masks};
use crate::container::{Mount, MountSource};
use crate::wire::Plan;

/// Makes the plan's root this process' root.
pub(super) fn enter_root(plan: &Plan) -> Step<()> {
    let root = overlay(plan)?;
    let host_devices = devices::open_on_host()?;
    let sources = plan
        .mounts
        .iter()
        .map(open_source)
        .collect::<Step<Vec<_>>>()?;
    let host = open_path(Path::new("/"))?;

    chdir(&root).map_err(cannot("enter the root"))?;
    // The host's root ends up above the new one, reachable by `host` until it is detached.
    pivot_root(".", ".").map_err(cannot("change the root"))?;
    chdir("/").map_err(cannot("enter the root"))?;
    standard_mounts(&host_devices)?;
    for (mount, source) in plan.mounts.iter().zip(sources) {
        place(mount, source.as_ref())
            .map_err(cannot(format!("mount {}", mount.target.display())))?;
    }
    make_directory(&plan.program.cwd)?;
    masks::apply()?;
    fchdir(host).map_err(cannot("reach the host's root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(cannot("leave the host's root"))?;
    chdir("/").map_err(cannot("enter the root"))?;
    if plan.read_only_root {
        remount_bind(Path::new("/"), MsFlags::MS_RDONLY)
            .map_err(cannot("make the root read-only"))?;
    }
    Ok(())
}

/// Mounts the layers with a writable one above, by short relative names: the kernel takes one page
/// of options, in which ':' and ',' have a meaning.
fn overlay(plan: &Plan) -> Step<PathBuf> {
    let directory = &plan.directory;
    let on = |step: &str| format!("{step} in {}", directory.display());
    if statfs(directory)
        .map_err(cannot(on("look")))?
        .filesystem_type()
        == OVERLAYFS_SUPER_MAGIC
    {
        // The kernel refuses an overlay's upper directory on an overlay: inside a container of
        // someone else's the changes are kept in memory.
        file_system("tmpfs", directory, MsFlags::empty(), "mode=0700")
            .map_err(cannot(on("mount memory")))?;
    }
    chdir(directory).map_err(cannot(on("work")))?;
    for name in ["upper", "work", "root", "empty"] {
        std::fs::create_dir(name).map_err(cannot(on(&format!("create {name}"))))?;
    }
    let mut lower = Vec::new();
    for (index, layer) in plan.layers.iter().enumerate().rev() {
        let name = format!("l{index}");
        if !layer.is_dir() {
            return Err(format!("layer {} is not a directory", layer.display()));
        }
        std::os::unix::fs::symlink(layer, &name).map_err(cannot(on("link a layer")))?;
        lower.push(name);
    }
    if lower.is_empty() {
        lower.push("empty".into());
    }
    let options = format!("lowerdir={},upperdir=upper,workdir=work", lower.join(":"));
    mount(
        Some("overlay"),
        "root",
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .map_err(cannot(on(&format!(
        "mount an overlay of {} layers",
        plan.layers.len()
    ))))?;
    Ok(directory.join("root"))
}

fn standard_mounts(host_devices: &devices::HostDevices) -> Step<()> {
    let guarded = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounts = [
        ("proc", "/proc", guarded, ""),
        ("tmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755,size=65536k"),
        (
            "devpts",
            "/dev/pts",
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            "newinstance,ptmxmode=0666,mode=0620",
        ),
        ("tmpfs", "/dev/shm", guarded, "mode=1777,size=65536k"),
        ("sysfs", "/sys", guarded | MsFlags::MS_RDONLY, ""),
    ];
    for (kind, target, flags, options) in mounts {
        make_directory(Path::new(target))?;
        file_system(kind, Path::new(target), flags, options)
            .map_err(cannot(format!("mount {kind} on {target}")))?;
    }
    devices::place(host_devices)
}

fn open_source(mount: &Mount) -> Step<Option<OwnedFd>> {
    match &mount.source {
        MountSource::Tmpfs { .. } => Ok(None),
        MountSource::Bind(path) => open_path(path).map(Some),
    }
}

pub(super) fn open_path(path: &Path) -> Step<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(cannot(format!("open {} on the host", path.display())))
}

fn place(mount: &Mount, source: Option<&OwnedFd>) -> Step<()> {
    match (&mount.source, source) {
        (MountSource::Bind(_), Some(source)) => {
            let source = PathBuf::from(format!("/proc/self/fd/{}", source.as_raw_fd()));
            let target = if source.is_dir() {
                Target::Directory
            } else {
                Target::File
            };
            target.make(&mount.target)?;
            bind(&source, &mount.target).map_err(cannot("bind"))?;
            if mount.read_only {
                remount_bind(&mount.target, MsFlags::MS_RDONLY)
                    .map_err(cannot("make it read-only"))?;
            }
            Ok(())
        }
        (MountSource::Tmpfs { size, mode }, _) => {
            Target::Directory.make(&mount.target)?;
            let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
            let read_only = if mount.read_only {
                MsFlags::MS_RDONLY
            } else {
                MsFlags::empty()
            };
            file_system(
                "tmpfs",
                &mount.target,
                MsFlags::MS_NOSUID | MsFlags::MS_NODEV | read_only,
                &format!("mode={mode:o}{size}"),
            )
            .map_err(cannot("mount memory"))
        }
        (MountSource::Bind(path), None) => Err(format!("{} was not opened", path.display())),
    }
}

fn make_directory(path: &Path) -> Step<()> {
    Target::Directory.make(path)
}
