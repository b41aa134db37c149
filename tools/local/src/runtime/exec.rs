//! A program executed in a container, with its streams as asynchronous ones.

use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use sandbox::container::{Container, Exec, ExecSpec, Killer, Size};
use tokio::net::unix::pipe;

use super::refused;
use crate::kubelet::runtime::{Execution, RuntimeError, TerminalSize, Writer};

/// Ends a program that nobody waits for any more, such as a probe's that did not answer in time: it would stay, and
/// with it the thread that waits for it.
struct EndsUnawaited(Killer);

impl Drop for EndsUnawaited {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Starts the program. It ends when the future of its exit is dropped.
pub(super) fn execute(
    container: &Container,
    args: Vec<String>,
    stdin: bool,
) -> Result<Execution, RuntimeError> {
    let mut spec = ExecSpec::new(args);
    if stdin {
        spec.stdin = Stdio::piped();
    }
    let mut exec = container.exec(spec).map_err(refused)?;
    let missing = || RuntimeError("the program's output is not piped".to_owned());
    let receiver = |fd: OwnedFd| pipe::Receiver::from_owned_fd(fd).map_err(refused);
    let stdout = exec.child.stdout.take().ok_or_else(missing)?;
    let stderr = exec.child.stderr.take().ok_or_else(missing)?;
    let input = exec.child.stdin.take();
    Ok(Execution {
        stdin: input
            .map(|input| pipe::Sender::from_owned_fd(input.into()).map_err(refused))
            .transpose()?
            .map(|sender| Box::new(sender) as Writer),
        stdout: Box::new(receiver(stdout.into())?),
        stderr: Box::new(receiver(stderr.into())?),
        resize: None,
        exit: exit_of(exec),
    })
}

/// Starts the program on a terminal of the container. It ends when the future of its exit is dropped.
pub(super) fn on_terminal(
    container: &Container,
    args: Vec<String>,
    size: TerminalSize,
) -> Result<Execution, RuntimeError> {
    let (terminal, spec) = container.terminal(args, size_of(size)).map_err(refused)?;
    let exec = container.exec(spec).map_err(refused)?;
    let side = || -> Result<OwnedFd, RuntimeError> {
        let side = OwnedFd::from(terminal.try_clone().map_err(refused)?);
        let flags = OFlag::from_bits_retain(fcntl(&side, FcntlArg::F_GETFL).map_err(refused)?);
        fcntl(&side, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map_err(refused)?;
        Ok(side)
    };
    // A terminal is read and written as a pipe is.
    let output = pipe::Receiver::from_owned_fd_unchecked(side()?).map_err(refused)?;
    let input = pipe::Sender::from_owned_fd_unchecked(side()?).map_err(refused)?;
    Ok(Execution {
        stdin: Some(Box::new(input) as Writer),
        stdout: Box::new(output),
        stderr: Box::new(tokio::io::empty()),
        resize: Some(Box::new(move |size| {
            // A program that has ended sees no size.
            let _ = terminal.resize(size_of(size));
        })),
        exit: exit_of(exec),
    })
}

fn size_of(size: TerminalSize) -> Size {
    Size {
        rows: size.rows,
        columns: size.columns,
    }
}

fn exit_of(mut exec: Exec) -> Pin<Box<dyn Future<Output = Result<i32, RuntimeError>> + Send>> {
    let ends = EndsUnawaited(exec.killer());
    let ended = tokio::task::spawn_blocking(move || exec.wait());
    Box::pin(async move {
        let exit = ended.await.map_err(refused)?;
        drop(ends);
        exit.map(|exit| exit.code()).map_err(refused)
    })
}
