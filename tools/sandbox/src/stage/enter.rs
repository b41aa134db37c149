//! The parent of a program that joins a running container.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::process::Command;

use nix::sched::{CloneFlags, setns};

use super::shim::exit_of;
use super::{Step, cannot};
use crate::container::Exit;
use crate::reexec::Stage;
use crate::wire::JoinPlan;

pub(crate) fn run(letterbox: Option<OsString>) -> i32 {
    let Some(path) = letterbox else { return 1 };
    let Ok(mut letterbox) = OpenOptions::new().read(true).write(true).open(&path) else {
        return 1;
    };
    let outcome = enter(&letterbox, &path);
    // What is there already is the joining stage's account of its failure.
    if !matches!(outcome, Ok(None)) {
        let outcome = outcome.map(|exit| exit.unwrap_or(Exit::Code(1)));
        let _ = answer(&mut letterbox, &outcome);
    }
    0
}

/// `None` when the joining stage failed and has said why.
fn enter(letterbox: &File, path: &OsString) -> Step<Option<Exit>> {
    let plan = read_plan(letterbox)?;
    let namespace = File::open(format!("/proc/{}/ns/pid", plan.init.pid))
        .map_err(cannot("open the container's pid namespace"))?;
    if !plan.init.is_alive() {
        return Err("the container has ended".into());
    }
    let user = (plan.program.uid, plan.program.gid);
    if !plan.terminal {
        own_pipes(user)?;
    }
    plan.group
        .add(0)
        .map_err(cannot("enter the container's cgroup"))?;
    setns(namespace, CloneFlags::CLONE_NEWPID).map_err(cannot("join the pid namespace"))?;
    let mut command: Command = Stage::Join.command("join");
    let mut child = command
        .arg(path)
        .spawn()
        .map_err(cannot("start a process in the container"))?;
    let status = child.wait().map_err(cannot("wait for the program"))?;
    let said = read_outcome(letterbox);
    Ok(if said { None } else { Some(exit_of(status)) })
}

/// Pipes made by the owner are given to the container's user; other streams stay what they are.
fn own_pipes((uid, gid): (u32, u32)) -> Step<()> {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let (out, err) = (std::io::stdout(), std::io::stderr());
    for fd in [out.as_fd(), err.as_fd()] {
        let copy = fd
            .try_clone_to_owned()
            .map(File::from)
            .map_err(cannot("copy a stream"))?;
        let kind = copy
            .metadata()
            .map_err(cannot("look at a stream"))?
            .file_type();
        if kind.is_fifo() {
            super::shim::give(&copy, uid, gid)?;
        }
    }
    Ok(())
}

pub(super) fn read_plan(mut letterbox: &File) -> Step<JoinPlan> {
    letterbox.rewind().map_err(cannot("read the plan"))?;
    serde_json::from_reader(letterbox).map_err(cannot("read the plan"))
}

fn read_outcome(mut letterbox: &File) -> bool {
    letterbox.rewind().is_ok()
        && serde_json::from_reader::<_, Result<Exit, String>>(letterbox).is_ok()
}

/// Replaces the letterbox's content by the outcome.
pub(super) fn answer(letterbox: &mut File, outcome: &Step<Exit>) -> std::io::Result<()> {
    letterbox.set_len(0)?;
    letterbox.rewind()?;
    letterbox.write_all(&serde_json::to_vec(outcome)?)
}
