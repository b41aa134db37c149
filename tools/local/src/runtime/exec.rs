//! A program executed in a container, with its streams as asynchronous ones.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use sandbox::container::{Container, ExecSpec, Killer};
use tokio::net::unix::pipe;

use super::refused;
use crate::kubelet::runtime::{Execution, RuntimeError, Writer};

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
    let ends = EndsUnawaited(exec.killer());
    let ended = tokio::task::spawn_blocking(move || exec.wait());
    Ok(Execution {
        stdin: input
            .map(|input| pipe::Sender::from_owned_fd(input.into()).map_err(refused))
            .transpose()?
            .map(|sender| Box::new(sender) as Writer),
        stdout: Box::new(receiver(stdout.into())?),
        stderr: Box::new(receiver(stderr.into())?),
        exit: Box::pin(async move {
            let exit = ended.await.map_err(refused)?;
            drop(ends);
            exit.map(|exit| exit.code()).map_err(refused)
        }),
    })
}
