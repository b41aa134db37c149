//! A proxy's process, from its start to its end.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Usage;
use crate::failure::{Doing, Failure};
use crate::mesh::ControlPlane;

/// How long a proxy may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy that runs; it ends when this is dropped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    // Kept: its files go with it.
    _directory: TempDir,
    log: PathBuf,
    /// Where its configuration comes from, if that is not a file.
    pub(crate) control: Option<ControlPlane>,
}

impl Process {
    /// Starts a program. What it says goes to a file in `directory`, which goes with the process.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        directory: TempDir,
        control: Option<ControlPlane>,
    ) -> Result<Self, Failure> {
        let log = directory.path().join("log");
        let file = File::create(&log).doing("the proxy's log")?;
        let again = file.try_clone().doing("the proxy's log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .doing(format!("{name}: {}", command.get_program().display()))?;
        Ok(Process {
            name,
            child,
            _directory: directory,
            log,
            control,
        })
    }

    /// Waits until the proxy listens.
    pub(crate) fn listens(&mut self, at: SocketAddrV4) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(at).is_err() {
            self.check()?;
            if Instant::now() > deadline {
                return Err(self.failure(&format!("does not listen on {at} after {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// That the proxy still runs and has taken all its configuration.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait().doing(self.name)? {
            return Err(self.failure(&format!("has ended with {status}")));
        }
        match self.control.as_ref().map(ControlPlane::refusals) {
            Some(refusals) if !refusals.is_empty() => {
                Err(self.failure(&format!("refuses configuration: {}", refusals.join("; "))))
            }
            _ => Ok(()),
        }
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(self.child.id())
    }

    /// A failure with the last that the proxy said.
    pub(crate) fn failure(&self, what: &str) -> Failure {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(10)..).unwrap_or(&[]);
        Failure(format!("{} {what}\n{}", self.name, last.join("\n")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nothing listens on, at any address of this machine.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).doing("a free port")?;
    Ok(listener.local_addr().doing("a free port")?.port())
}
