//! A program executed in a container, with its streams as asynchronous ones.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use sandbox::container::{Container, ExecSpec};
use tokio::net::unix::pipe;

use super::refused;
use crate::kubelet::runtime::{Execution, RuntimeError, Writer};

/// Starts the program.
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
        exit: Box::pin(async move {
            tokio::task::spawn_blocking(move || exec.wait())
                .await
                .map_err(refused)?
                .map(|exit| exit.code())
                .map_err(refused)
        }),
    })
}
