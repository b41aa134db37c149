//! Collects orphans: in a container the agent is process 1, to which the kernel hands every process
//! whose parent is gone.

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

/// Collects ended orphans until the task is dropped; `child` is left to its own supervisor. Does
/// nothing, for ever, when this is not process 1.
///
/// # Errors
/// When the operating system refuses the signal handler.
pub async fn collect_orphans(child: Option<u32>) -> std::io::Result<()> {
    if std::process::id() != 1 {
        return std::future::pending().await;
    }
    let mut ended = signal(SignalKind::child())?;
    loop {
        ended.recv().await;
        while let Some(orphan) = ended_process(child) {
            let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// An ended process other than `child`. It is only looked at, so that the child's exit status stays
/// for its supervisor.
fn ended_process(child: Option<u32>) -> Option<Pid> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    let pid = match waitid(Id::All, look) {
        Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => pid,
        _ => return None,
    };
    (u32::try_from(pid.as_raw()).ok() != child).then_some(pid)
}
