//! Parts of /proc and /sys that show or change the machine rather than the container: the lists
//! of the OCI runtime's default specification.

use std::path::Path;

use nix::mount::MsFlags;

use super::mounting::{bind, file_system, remount_bind};
use super::{Step, cannot};

const HIDDEN: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(super) fn apply() -> Step<()> {
    for path in READ_ONLY
        .map(Path::new)
        .into_iter()
        .filter(|path| path.exists())
    {
        bind(path, path)
            .and_then(|()| {
                let guarded = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
                remount_bind(path, MsFlags::MS_RDONLY | guarded)
            })
            .map_err(cannot(format!("make {} read-only", path.display())))?;
    }
    for path in HIDDEN
        .map(Path::new)
        .into_iter()
        .filter(|path| path.exists())
    {
        let hidden = if path.is_dir() {
            file_system("tmpfs", path, MsFlags::MS_RDONLY, "size=0")
        } else {
            bind(Path::new("/dev/null"), path)
        };
        hidden.map_err(cannot(format!("hide {}", path.display())))?;
    }
    Ok(())
}
