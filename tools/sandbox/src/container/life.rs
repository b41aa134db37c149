//! The owner's side of a running container.

use std::io::BufReader;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{ContainerSpec, Mount, MountSource};
use crate::Error;
use crate::cgroup::{Group, Usage};
use crate::cleanup::Record;
use crate::process_identity::ProcessIdentity;
use crate::reexec::Stage;
use crate::wire::{Event, Order, Plan, Program, receive, send};

/// How a container's program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl Exit {
    /// The status that Kubernetes shows: 128 plus the number of a signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// A started container. Dropping it kills every process in it, waits for their end and removes
/// its directory; so does the death of the owning process, save the directory, which
/// [`crate::cleanup()`] removes.
#[derive(Debug)]
pub struct Container {
    pub(super) id: String,
    pub(super) init: ProcessIdentity,
    pub(super) program: Program,
    pub(super) group: Group,
    unlimited: Option<String>,
    directory: PathBuf,
    control: UnixStream,
    ended: Arc<Ended>,
    exit: watch::Receiver<Option<Exit>>,
    watcher: Option<JoinHandle<()>>,
}

/// The end of a container, for callers that block.
#[derive(Debug, Default)]
struct Ended {
    exit: Mutex<Option<Exit>>,
    changed: Condvar,
    out_of_memory: AtomicBool,
}

impl Container {
    /// Starts a container whose overlay and records live in `<state_directory>/<id>`. Returns once
    /// its program is executed, which takes milliseconds; blocks the calling thread until then.
    ///
    /// # Errors
    /// [`Error::Start`] with the step that failed inside (a mount, a missing program...), or
    /// [`Error::File`] when the directory cannot be written, as on a full disk. Nothing is left.
    pub fn start(spec: ContainerSpec, state_directory: &Path) -> Result<Self, Error> {
        spec.check()?;
        let directory = state_directory.join(&spec.id);
        std::fs::create_dir_all(state_directory).map_err(Error::file("create", state_directory))?;
        std::fs::create_dir(&directory).map_err(Error::file("create", &directory))?;
        let started = Self::start_in(spec, &directory);
        if started.is_err() {
            // The first error is the one to report; cleanup() finds what cannot be removed now.
            let _ = std::fs::remove_dir_all(&directory);
        }
        started
    }

    fn start_in(spec: ContainerSpec, directory: &Path) -> Result<Self, Error> {
        let id = spec.id.clone();
        let netns = spec.netns.clone();
        let plan = plan(spec, directory)?;
        Record::of_owner(&plan.group)?.write(directory)?;
        let group = plan.group.clone();
        let program = plan.program.clone();
        let failed = |message: String| Error::Start {
            container: id.clone(),
            message,
        };
        let (control, theirs) =
            UnixStream::pair().map_err(|error| failed(format!("cannot make a socket: {error}")))?;
        let mut shim = Stage::Shim
            .command(&format!("shim {id}"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // A Ctrl-C at the owner's terminal is for the owner, who stops containers in order.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(format!("cannot run this executable again: {error}")))?;
        let begun = begin(&control, plan).map_err(failed);
        // The namespace's path in the plan leads through this descriptor of ours.
        drop(netns);
        let Begun {
            events,
            pid,
            unlimited,
            group,
        } = match begun {
            Ok(begun) => begun,
            Err(error) => {
                drop(control);
                let _ = shim.wait();
                group.remove();
                return Err(error);
            }
        };
        let (exit_sender, exit) = watch::channel(None);
        let ended = Arc::new(Ended::default());
        let mut container = Self {
            init: ProcessIdentity::of(pid).unwrap_or_else(|_| ProcessIdentity::gone(pid)),
            program,
            group: group.clone(),
            unlimited,
            directory: directory.to_owned(),
            control,
            exit,
            ended: ended.clone(),
            watcher: None,
            id: id.clone(),
        };
        let shim_pid = shim.id();
        let watcher = std::thread::Builder::new()
            .name(format!("container {id}"))
            .spawn(move || watch_end(events, shim, &ended, &exit_sender))
            .map_err(|error| failed(format!("cannot start a thread: {error}")))?;
        container.watcher = Some(watcher);
        Record::of_owner(&group)?
            .with(i32::try_from(shim_pid).unwrap_or_default())
            .with(pid)
            .write(directory)?;
        Ok(container)
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The pid of the container's program in the owner's pid namespace.
    pub fn pid(&self) -> i32 {
        self.init.pid
    }

    /// How the program ended, or `None` while it runs.
    pub fn exited(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Whether the kernel killed a process of the container for its memory limit; known once it has ended.
    pub fn ran_out_of_memory(&self) -> bool {
        self.ended.out_of_memory.load(Ordering::Acquire)
    }

    /// Why limits that were asked for are not in force; None when they are, or none were asked for.
    pub fn unlimited(&self) -> Option<&str> {
        self.unlimited.as_deref()
    }

    /// What its processes use; None when they have ended.
    ///
    /// # Errors
    /// Why this machine cannot tell: it has no control groups for memory and processor time.
    pub fn usage(&self) -> Result<Option<Usage>, String> {
        self.group.usage()
    }

    /// Completes when the program has ended and its whole output is in the log. Needs no runtime.
    pub fn exit(&self) -> impl Future<Output = Exit> + Send + 'static {
        let mut exit = self.exit.clone();
        async move {
            match exit.wait_for(Option::is_some).await {
                Ok(exit) => exit.unwrap_or(LOST),
                Err(_) => LOST,
            }
        }
    }

    /// Blocks until the program has ended, at most `limit`; `None` when it still runs.
    pub fn wait(&self, limit: Duration) -> Option<Exit> {
        let exit = self
            .ended
            .exit
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (exit, _) = self
            .ended
            .changed
            .wait_timeout_while(exit, limit, |exit| exit.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *exit
    }

    /// Sends a signal to the program. As pid 1 of its namespace it ignores signals that it has no
    /// handler for, SIGKILL and SIGSTOP excepted.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let gone = || Error::NotRunning {
            container: self.id.clone(),
        };
        if self.exited().is_some() {
            return Err(gone());
        }
        send(&self.control, &Order::Signal(signal as i32)).map_err(|_| gone())
    }

    /// SIGTERM, and SIGKILL to everything in the container after `grace`. Blocks until the end.
    pub fn stop(&self, grace: Duration) -> Exit {
        // A container that has just ended refuses the signal and answers the wait.
        let _ = self.signal(Signal::SIGTERM);
        if let Some(exit) = self.wait(grace) {
            return exit;
        }
        let _ = self.signal(Signal::SIGKILL);
        loop {
            if let Some(exit) = self.wait(Duration::from_secs(60)) {
                return exit;
            }
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The shim kills the container when it can read no more from its owner.
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
        // The shim has, unless it was killed.
        self.group.remove();
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(container = self.id, %error, directory = %self.directory.display(), "cannot remove the container's directory");
        }
    }
}

/// The shim was killed, so the kernel killed the container.
const LOST: Exit = Exit::Signal(Signal::SIGKILL as i32);

/// What a shim says of a container that runs.
struct Begun {
    events: BufReader<UnixStream>,
    pid: i32,
    unlimited: Option<String>,
    group: Group,
}

fn begin(control: &UnixStream, plan: Plan) -> Result<Begun, String> {
    let lost = |error: std::io::Error| {
        format!(
            "its shim does not answer: {error}; does main call sandbox::reexec::run_if_asked() first?"
        )
    };
    send(control, &Order::Start(Box::new(plan))).map_err(lost)?;
    let mut events = BufReader::new(control.try_clone().map_err(lost)?);
    match receive::<Event>(&mut events).map_err(lost)? {
        Some(Event::Started {
            pid,
            unlimited,
            group,
        }) => Ok(Begun {
            events,
            pid,
            unlimited,
            group,
        }),
        Some(Event::Failed(message)) => Err(message),
        Some(Event::Exited { .. }) | None => Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
    }
}

fn watch_end(
    mut events: BufReader<UnixStream>,
    mut shim: Child,
    ended: &Ended,
    sender: &watch::Sender<Option<Exit>>,
) {
    let (exit, out_of_memory) = match receive::<Event>(&mut events) {
        Ok(Some(Event::Exited {
            exit,
            out_of_memory,
        })) => (exit, out_of_memory),
        _ => (LOST, false),
    };
    ended.out_of_memory.store(out_of_memory, Ordering::Release);
    let _ = shim.wait();
    // Who was waiting must then find it ended.
    sender.send_replace(Some(exit));
    *ended.exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
    ended.changed.notify_all();
}

fn plan(spec: ContainerSpec, directory: &Path) -> Result<Plan, Error> {
    let mut mounts = Vec::new();
    let files = [
        ("hostname", Some(format!("{}\n", spec.hostname))),
        ("hosts", spec.hosts),
        ("resolv.conf", spec.resolv_conf),
    ];
    for (name, content) in files {
        let Some(content) = content else { continue };
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(Error::file("write", &path))?;
        mounts.push(Mount {
            target: Path::new("/etc").join(name),
            source: MountSource::Bind(path),
            read_only: false,
        });
    }
    mounts.extend(spec.mounts);
    mounts.sort_by_key(|mount| mount.target.components().count());
    Ok(Plan {
        hostname: spec.hostname,
        layers: spec.layers,
        directory: directory.to_owned(),
        read_only_root: spec.read_only_root,
        mounts,
        netns: spec.netns.map(|netns| {
            PathBuf::from(format!(
                "/proc/{}/fd/{}",
                std::process::id(),
                netns.as_raw_fd()
            ))
        }),
        log: spec.log,
        log_limit: spec.log_limit,
        group: Group::of(&spec.id),
        limits: spec.limits,
        program: Program {
            args: spec.args,
            env: spec.env,
            cwd: spec.cwd,
            uid: spec.uid,
            gid: spec.gid,
            groups: spec.groups,
            capabilities: spec.capabilities,
            no_new_privs: spec.no_new_privs,
        },
        id: spec.id,
    })
}
