//! Pid 1 of a container: makes the remaining namespaces and the root, then becomes the program.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::net::UnixStream;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{sethostname, setsid};

use super::{Step, assemble, cannot, launch, parent_socket};
use crate::wire::{Event, Plan, receive, send};

pub(crate) fn run() -> i32 {
    let Ok(shim) = parent_socket() else { return 1 };
    // `become_program` returns only when it fails; its success closes the socket.
    let Err(message) = become_program(&shim);
    let _ = send(&shim, &Event::Failed(message));
    1
}

fn become_program(shim: &UnixStream) -> Step<std::convert::Infallible> {
    set_pdeathsig(Signal::SIGKILL).map_err(cannot("ask for a parent-death signal"))?;
    let copy = shim
        .try_clone()
        .map_err(cannot("copy the control socket"))?;
    let plan = receive::<Plan>(&mut BufReader::new(copy))
        .map_err(cannot("read the plan"))?
        .ok_or("the shim is gone")?;
    setsid().map_err(cannot("begin a session"))?;
    if let Some(path) = &plan.netns {
        let netns = File::open(path).map_err(cannot("open the pod's network namespace"))?;
        setns(netns, CloneFlags::CLONE_NEWNET).map_err(cannot("join the pod's network"))?;
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)
        .map_err(cannot("make mount, UTS and IPC namespaces"))?;
    // From here on no mount is seen by the host.
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(cannot("make mounts private"))?;
    sethostname(&plan.hostname).map_err(cannot(format!("set host name {:?}", plan.hostname)))?;
    assemble::enter_root(&plan)?;
    launch::execute(&plan.program, || watch_shim(shim))
}

/// A change of user forgets the parent-death signal, so it is asked for again afterwards; if the
/// shim ended in between, its end of the socket tells.
fn watch_shim(shim: &UnixStream) -> Step<()> {
    use std::io::Read;
    set_pdeathsig(Signal::SIGKILL).map_err(cannot("ask for a parent-death signal"))?;
    shim.set_nonblocking(true)
        .map_err(cannot("look at the control socket"))?;
    let mut socket = shim;
    match socket.read(&mut [0_u8; 1]) {
        Ok(0) => Err("the shim is gone".into()),
        _ => shim
            .set_nonblocking(false)
            .map_err(cannot("look at the control socket")),
    }
}
