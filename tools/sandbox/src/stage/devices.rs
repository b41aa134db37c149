//! The devices that every container has, and the names of its streams.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::assemble::open_path;
use super::mounting::{Target, bind};
use super::{Step, cannot};

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// The host's device nodes, opened while they could be reached.
pub(super) struct HostDevices(Vec<(&'static str, OwnedFd)>);

pub(super) fn open_on_host() -> Step<HostDevices> {
    DEVICES
        .iter()
        .map(|name| Ok((*name, open_path(&Path::new("/dev").join(name))?)))
        .collect::<Step<Vec<_>>>()
        .map(HostDevices)
}

/// Fills the container's /dev, which is empty and mounted.
pub(super) fn place(devices: &HostDevices) -> Step<()> {
    let dev = Path::new("/dev");
    for (name, device) in &devices.0 {
        let target = dev.join(name);
        Target::File.make(&target)?;
        let source = PathBuf::from(format!("/proc/self/fd/{}", device.as_raw_fd()));
        bind(&source, &target).map_err(cannot(format!("bind {}", target.display())))?;
    }
    for (to, name) in LINKS {
        symlink(to, dev.join(name)).map_err(cannot(format!("link /dev/{name}")))?;
    }
    Ok(())
}
