//! Stages of a container as hidden entries of the program that owns it.
//!
//! Joining and making namespaces changes the calling thread for good, so each stage is a process
//! of its own; running them in the owner's executable needs no second file to be installed.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::stage;

/// Which part of a container's life a process of this executable plays.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// Parent of one container: keeps its log, passes signals on, reports its end.
    Shim,
    /// Pid 1 of a container before its program is executed.
    Init,
    /// Parent of a process that joins a running container.
    Enter,
    /// A process inside a running container's pid namespace that has yet to join the others.
    Join,
}

impl Stage {
    fn argument(self) -> &'static str {
        match self {
            Self::Shim => "sandbox:shim",
            Self::Init => "sandbox:init",
            Self::Enter => "sandbox:enter",
            Self::Join => "sandbox:join",
        }
    }

    fn of_argument(argument: &OsStr) -> Option<Self> {
        [Self::Shim, Self::Init, Self::Enter, Self::Join]
            .into_iter()
            .find(|stage| argument == stage.argument())
    }

    /// A command that runs this stage: no environment, and `label` is what `ps` shows.
    pub(crate) fn command(self, label: &str) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(format!("lateen-sandbox {label}"))
            .arg(self.argument())
            .env_clear();
        command
    }
}

/// Runs a container's stage and does not return, if this process was started as one; returns at
/// once otherwise. Call it first in `main`, before any thread or runtime is started.
pub fn run_if_asked() {
    let mut args = std::env::args_os().skip(1);
    let Some(stage) = args.next().as_deref().and_then(Stage::of_argument) else {
        return;
    };
    close_what_was_inherited();
    std::process::exit(match stage {
        Stage::Shim => stage::shim::run(),
        Stage::Init => stage::init::run(),
        Stage::Enter => stage::enter::run(args.next()),
        Stage::Join => stage::join::run(args.next()),
    })
}

/// What the owner's own parent left open in it must not reach a container: a directory of the host
/// would be a way out of the root. A stage begins with its three standard streams.
fn close_what_was_inherited() {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // One of them was the listing itself and is closed already.
        let _ = nix::unistd::close(fd);
    }
}
