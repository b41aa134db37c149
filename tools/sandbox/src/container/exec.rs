//! Programs executed inside a running container, as `kubectl exec` and exec probes do.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::{Container, Exit};
use crate::Error;
use crate::reexec::Stage;
use crate::wire::JoinPlan;

/// What to execute and where its streams lead.
#[derive(Debug)]
pub struct ExecSpec {
    /// Program and arguments; a program without `/` is looked for in the container's `PATH`.
    pub args: Vec<String>,
    /// Added to the container's own environment.
    pub env: Vec<(String, String)>,
    /// The container's working directory when absent.
    pub cwd: Option<PathBuf>,
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output. A pipe is given to the container's user, so that /dev/stdout opens.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// The three streams are a terminal, which becomes the program's own: see [`Container::terminal`].
    pub terminal: bool,
}

impl ExecSpec {
    /// `args` with empty input and piped output.
    pub fn new(args: Vec<String>) -> Self {
        Self {
            args,
            env: Vec::new(),
            cwd: None,
            stdin: Stdio::null(),
            stdout: Stdio::piped(),
            stderr: Stdio::piped(),
            terminal: false,
        }
    }
}

/// A program running beside a container's own. Dropping it neither waits for it nor ends it; the
/// end of the container does.
#[derive(Debug)]
pub struct Exec {
    /// The parent of the program, whose piped streams, if any, are the program's.
    pub child: Child,
    container: String,
    /// The plan on its way in, the reason of a failure on its way out: read through /proc, because
    /// a child started without unsafe code inherits three descriptors and no more.
    letterbox: File,
    killer: Killer,
}

/// Ends an executed program, also while another thread waits for it.
#[derive(Debug, Clone)]
pub struct Killer(Arc<Mutex<Option<Pid>>>);

impl Killer {
    /// Kills the program; one that has ended stays as it is.
    pub fn kill(&self) {
        // Held meanwhile, so that the pid cannot become another process's.
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            // The program's parent; the kernel ends the program with it.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// From here on the pid may be another's.
    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Container {
    /// Executes a program in all namespaces and the root of this container, with its user and
    /// capabilities.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`Error::Exec`] when no process can be started. A program that the
    /// container lacks is reported by [`Exec::wait`].
    pub fn exec(&self, spec: ExecSpec) -> Result<Exec, Error> {
        if self.exited().is_some() {
            return Err(Error::NotRunning {
                container: self.id.clone(),
            });
        }
        let failed = |action: &'static str| {
            move |error: std::io::Error| Error::Exec {
                container: self.id.clone(),
                message: format!("cannot {action}: {error}"),
            }
        };
        let mut program = self.program.clone();
        program.args = spec.args;
        program.env.extend(spec.env);
        if let Some(cwd) = spec.cwd {
            program.cwd = cwd;
        }
        let plan = JoinPlan {
            init: self.init,
            program,
            group: self.group.clone(),
            terminal: spec.terminal,
        };
        let letterbox: OwnedFd = memfd_create("sandbox-exec", MFdFlags::MFD_CLOEXEC)
            .map_err(std::io::Error::from)
            .map_err(failed("make a letterbox"))?;
        let mut letterbox = File::from(letterbox);
        serde_json::to_vec(&plan)
            .map_err(std::io::Error::from)
            .and_then(|plan| letterbox.write_all(&plan))
            .map_err(failed("fill a letterbox"))?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), letterbox.as_raw_fd());
        let child = Stage::Enter
            .command(&format!("exec {}", self.id))
            .arg(path)
            .stdin(spec.stdin)
            .stdout(spec.stdout)
            .stderr(spec.stderr)
            .spawn()
            .map_err(failed("run this executable again"))?;
        let pid = i32::try_from(child.id()).ok().map(Pid::from_raw);
        Ok(Exec {
            killer: Killer(Arc::new(Mutex::new(pid))),
            child,
            container: self.id.clone(),
            letterbox,
        })
    }
}

impl Exec {
    /// Blocks until the program has ended. Read its piped output first or meanwhile.
    ///
    /// # Errors
    /// [`Error::Exec`] when the program could not be executed, with the reason.
    pub fn wait(&mut self) -> Result<Exit, Error> {
        let failed = |message: String| Error::Exec {
            container: self.container.clone(),
            message,
        };
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default());
        let without_reaping = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        // Until the killer has forgotten the pid it may not become another process's.
        while waitid(Id::Pid(pid), without_reaping) == Err(Errno::EINTR) {}
        self.killer.forget();
        let status = self
            .child
            .wait()
            .map_err(|error| failed(format!("cannot wait: {error}")))?;
        let mut outcome = String::new();
        let read = self
            .letterbox
            .rewind()
            .and_then(|()| self.letterbox.read_to_string(&mut outcome));
        match read {
            Ok(_) => match serde_json::from_str::<Result<Exit, String>>(&outcome) {
                Ok(Ok(exit)) => Ok(exit),
                Ok(Err(message)) => Err(failed(message)),
                // Nobody lived to write an outcome.
                Err(_) => Ok(match status.signal() {
                    Some(signal) => Exit::Signal(signal),
                    None => Exit::Signal(nix::libc::SIGKILL),
                }),
            },
            Err(error) => Err(failed(format!("cannot read the outcome: {error}"))),
        }
    }

    /// What ends the program while this waits for it.
    pub fn killer(&self) -> Killer {
        self.killer.clone()
    }
}
