//! A process in a container's pid namespace that joins the other namespaces and becomes a program.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};

use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::setsid;

use super::enter::{answer, read_plan};
use super::{Step, cannot, launch};

pub(crate) fn run(letterbox: Option<OsString>) -> i32 {
    let Some(path) = letterbox else { return 1 };
    let Ok(mut letterbox) = OpenOptions::new().read(true).write(true).open(path) else {
        return 1;
    };
    let Err(message) = join(&letterbox);
    let _ = answer(&mut letterbox, &Err(message));
    1
}

fn join(letterbox: &File) -> Step<Infallible> {
    let watch_parent =
        || set_pdeathsig(Signal::SIGKILL).map_err(cannot("ask for a parent-death signal"));
    watch_parent()?;
    let plan = read_plan(letterbox)?;
    let open = |name: &str| {
        File::open(format!("/proc/{}/ns/{name}", plan.init.pid))
            .map_err(cannot(format!("open the container's {name} namespace")))
    };
    // All are opened first: joining the mount namespace takes the host's /proc away.
    let namespaces = [
        (open("net")?, CloneFlags::CLONE_NEWNET),
        (open("ipc")?, CloneFlags::CLONE_NEWIPC),
        (open("uts")?, CloneFlags::CLONE_NEWUTS),
        (open("mnt")?, CloneFlags::CLONE_NEWNS),
    ];
    if !plan.init.is_alive() {
        return Err("the container has ended".into());
    }
    for (namespace, kind) in namespaces {
        setns(namespace, kind).map_err(cannot("join the container"))?;
    }
    if plan.terminal {
        setsid().map_err(cannot("begin a session"))?;
        rustix::process::ioctl_tiocsctty(std::io::stdin())
            .map_err(cannot("take the terminal over"))?;
    }
    launch::execute_keeping_input(&plan.program, watch_parent)
}
