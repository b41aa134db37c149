//! Stages of a container as hidden entries of the program that owns it.
//!
//! Joining and making namespaces changes the calling thread for good, so each stage is a process
//! of its own; running them in the owner's executable needs no second file to be installed.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::stage;

const SHIM: &str = "sandbox:shim";
const INIT: &str = "sandbox:init";
const ENTER: &str = "sandbox:enter";
const JOIN: &str = "sandbox:join";

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
            Self::Shim => SHIM,
            Self::Init => INIT,
            Self::Enter => ENTER,
            Self::Join => JOIN,
        }
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
    let code = match args.next().as_deref().and_then(|stage| stage.to_str()) {
        Some(SHIM) => stage::shim::run(),
        Some(INIT) => stage::init::run(),
        Some(ENTER) => stage::enter::run(args.next()),
        Some(JOIN) => stage::join::run(args.next()),
        _ => return,
    };
    std::process::exit(code)
}
