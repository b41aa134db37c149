//! The parent of one container, outside its pid namespace.
//!
//! It watches its owner through a socket rather than by a parent-death signal, because that signal
//! fires when the owner's *thread* ends. Its own main thread lives as long as the container, so the
//! container's init may use that signal to watch the shim.

use std::io::{BufReader, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Pid, Uid, fchown};

use super::{Step, cannot, parent_socket};
use crate::cgroup::Group;
use crate::container::Exit;
use crate::cri_log::CriLog;
use crate::reexec::Stage;
use crate::wire::{Event, Order, Plan, receive, send};

/// The container's init as the thread that obeys the owner may see it.
enum Life {
    /// Not made yet.
    Unborn,
    /// The owner was gone before it was made: to be killed at once.
    Abandoned,
    /// Alive or not yet reaped, so its pid is its own.
    Running(Pid),
    /// Ended: its pid may be another's.
    Ended,
}

pub(crate) fn run() -> i32 {
    let Ok(owner) = parent_socket() else { return 1 };
    match keep(&owner) {
        Ok(()) => 0,
        Err(message) => {
            // The owner may be gone, and nobody else listens.
            let _ = send(&owner, &Event::Failed(message));
            1
        }
    }
}

fn keep(owner: &UnixStream) -> Step<()> {
    let orders = owner
        .try_clone()
        .map_err(cannot("copy the control socket"))?;
    let mut orders = BufReader::new(orders);
    let plan = match receive::<Order>(&mut orders).map_err(cannot("read the order"))? {
        Some(Order::Start(plan)) => *plan,
        Some(Order::Signal(_)) | None => return Err("no order to start a container came".into()),
    };
    let life = Arc::new(Mutex::new(Life::Unborn));
    let obeyed = life.clone();
    // Threads first: a thread whose children go to a new pid namespace cannot make threads.
    std::thread::Builder::new()
        .name("obey".into())
        .spawn(move || obey(orders, &obeyed))
        .map_err(cannot("start a thread"))?;
    let log = CriLog::open(&plan.log, plan.log_limit)
        .map_err(cannot(format!("open the log {}", plan.log.display())))?;
    let log = Arc::new(log);
    let (stdout, out_copier) = logged_pipe(&plan, &log, "stdout")?;
    let (stderr, err_copier) = logged_pipe(&plan, &log, "stderr")?;

    let mut group = plan.group.clone();
    let unlimited = group.make(plan.limits);
    let started = unlimited.and_then(|unlimited| {
        unshare(CloneFlags::CLONE_NEWPID).map_err(cannot("make a pid namespace"))?;
        begin(&plan, &group, &life, stdout, stderr).map(|init| (init, unlimited))
    });
    let (mut init, unlimited) = match started {
        Ok(started) => started,
        Err(message) => {
            group.remove();
            return Err(message);
        }
    };
    let pid = Pid::from_raw(i32::try_from(init.id()).unwrap_or_default());
    let started = Event::Started {
        pid: pid.as_raw(),
        unlimited,
        group: group.clone(),
    };
    let _ = send(owner, &started);

    let exit = reap(&mut init, pid, &life);
    let out_of_memory = group.ran_out_of_memory();
    // The kernel has ended every process of the pid namespace with its first.
    group.remove();
    let exit = exit?;
    for copier in [out_copier, err_copier] {
        let _ = copier.join();
    }
    let ended = Event::Exited {
        exit,
        out_of_memory,
    };
    let _ = send(owner, &ended);
    Ok(())
}

/// A pipe whose other end is copied to the log. It is given to the container's user, who may then
/// open it again as /dev/stdout: what /proc/self/fd leads to is checked like a file.
fn logged_pipe(
    plan: &Plan,
    log: &Arc<CriLog>,
    stream: &'static str,
) -> Step<(OwnedFd, JoinHandle<()>)> {
    let (reader, writer): (PipeReader, _) = std::io::pipe().map_err(cannot("make a pipe"))?;
    let writer = OwnedFd::from(writer);
    give(&writer, plan.program.uid, plan.program.gid)?;
    let log = log.clone();
    let copier = std::thread::Builder::new()
        .name(stream.into())
        .spawn(move || log.copy(stream, reader))
        .map_err(cannot("start a thread"))?;
    Ok((writer, copier))
}

pub(super) fn give(fd: impl AsFd, uid: u32, gid: u32) -> Step<()> {
    fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .map_err(cannot(format!("give the output to uid {uid}")))
}

/// Starts the init and waits until it executes the container's program.
fn begin(
    plan: &Plan,
    group: &Group,
    life: &Mutex<Life>,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> Step<Child> {
    let (socket, theirs) = UnixStream::pair().map_err(cannot("make a socket"))?;
    let mut init = Stage::Init
        .command(&format!("init {}", plan.id))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(cannot("start the init"))?;
    let pid = Pid::from_raw(i32::try_from(init.id()).unwrap_or_default());
    {
        let mut life = life.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*life, Life::Abandoned) {
            let _ = init.kill();
        }
        *life = Life::Running(pid);
    }
    // Before it hears what to become.
    let outcome = group
        .add(pid.as_raw())
        .map_err(cannot("put the container into its cgroup"))
        .and_then(|()| {
            send(&socket, plan)
                .and_then(|()| receive::<Event>(&mut BufReader::new(socket)))
                .map_err(cannot("hear from the init"))
        });
    match outcome {
        Ok(None) => Ok(init),
        Ok(Some(Event::Failed(message))) | Err(message) => {
            let _ = init.kill();
            reap(&mut init, pid, life)?;
            Err(message)
        }
        Ok(Some(other)) => Err(format!("the init said {other:?}")),
    }
}

/// Waits for the end without reaping, so that no signal can go to a later process of that pid.
fn reap(init: &mut Child, pid: Pid, life: &Mutex<Life>) -> Step<Exit> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while let Err(error) = waitid(Id::Pid(pid), flags) {
        if error != nix::errno::Errno::EINTR {
            return Err(format!("cannot wait for the init: {error}"));
        }
    }
    *life.lock().unwrap_or_else(PoisonError::into_inner) = Life::Ended;
    init.wait()
        .map(exit_of)
        .map_err(cannot("wait for the init"))
}

pub(super) fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(libc::SIGKILL)),
    }
}

/// Passes signals on; when the owner is gone, ends the container.
fn obey(mut orders: BufReader<UnixStream>, life: &Mutex<Life>) {
    while let Ok(Some(order)) = receive::<Order>(&mut orders) {
        if let Order::Signal(signal) = order {
            let life = life.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Life::Running(pid), Ok(signal)) =
                (&*life, nix::sys::signal::Signal::try_from(signal))
            {
                let _ = nix::sys::signal::kill(*pid, signal);
            }
        }
    }
    let mut life = life.lock().unwrap_or_else(PoisonError::into_inner);
    match *life {
        Life::Unborn => *life = Life::Abandoned,
        Life::Running(pid) => {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        Life::Abandoned | Life::Ended => {}
    }
}
