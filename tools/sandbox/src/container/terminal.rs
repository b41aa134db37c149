//! A terminal for a program executed in a container: a pair of the container's own /dev/pts, so that the program
//! finds its name there.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::process::Stdio;

use nix::libc;
use nix::unistd::{Gid, Uid, fchown};
use rustix::pty::OpenptFlags;
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Container, ExecSpec};
use crate::Error;

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// The side of a terminal that a person sits at. Reading it fails once the last program on it has ended.
#[derive(Debug)]
pub struct Terminal(OwnedFd);

impl Terminal {
    /// Tells the programs on it a new size (SIGWINCH).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn resize(&self, size: Size) -> std::io::Result<()> {
        Ok(tcsetwinsize(&self.0, winsize(size))?)
    }

    /// Another handle on it.
    ///
    /// # Errors
    /// When no descriptor is free.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl From<Terminal> for OwnedFd {
    fn from(terminal: Terminal) -> Self {
        terminal.0
    }
}

fn winsize(size: Size) -> Winsize {
    Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Container {
    /// Makes a terminal and a specification of a program on it.
    ///
    /// # Errors
    /// [`Error::Exec`] when the container has ended or its /dev/pts gives no terminal.
    pub fn terminal(&self, args: Vec<String>, size: Size) -> Result<(Terminal, ExecSpec), Error> {
        let failed = |error: std::io::Error| Error::Exec {
            container: self.id.clone(),
            message: format!("cannot make a terminal: {error}"),
        };
        let (terminal, line) = self.open_pair(size).map_err(failed)?;
        let stream = || line.try_clone().map(Stdio::from).map_err(failed);
        let mut spec = ExecSpec {
            stdin: stream()?,
            stdout: stream()?,
            stderr: stream()?,
            terminal: true,
            ..ExecSpec::new(args)
        };
        if !self.program.env.iter().any(|(name, _)| name == "TERM") {
            spec.env.push(("TERM".to_owned(), "xterm".to_owned()));
        }
        Ok((terminal, spec))
    }

    fn open_pair(&self, size: Size) -> std::io::Result<(Terminal, OwnedFd)> {
        let path = format!("/proc/{}/root/dev/pts/ptmx", self.init.pid);
        // Never through a link, which could lead out of the container.
        let master = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_CLOEXEC)
            .open(path)?;
        if !File::metadata(&master)?.file_type().is_char_device() {
            return Err(std::io::Error::other("its /dev/pts/ptmx is no device"));
        }
        rustix::pty::unlockpt(&master)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let line = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        // As /dev/stdout, which programs open by its name again.
        let (uid, gid) = (self.program.uid, self.program.gid);
        fchown(&line, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        tcsetwinsize(&line, winsize(size))?;
        Ok((Terminal(master.into()), line))
    }
}
