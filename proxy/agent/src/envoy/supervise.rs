//! The life of the proxy process, from its start to the exit code that the agent ends with.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::envoy::admin::Admin;
use crate::envoy::command::Command;

/// How long the proxy may take to end after it was told to.
const END: Duration = Duration::from_secs(5);
/// How often the open connections are counted while draining.
const COUNT: Duration = Duration::from_secs(1);

/// The proxy could not be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start the proxy {binary}: {source} (give its path by --envoy or ENVOY_PATH; it must be executable)"
)]
pub struct StartError {
    binary: String,
    source: io::Error,
}

/// How the proxy is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draining {
    /// Wait this long after draining began, whatever is still open.
    For(Duration),
    /// Wait at least this long, then until no connection is open
    /// (`EXIT_ON_ZERO_ACTIVE_CONNECTIONS`).
    UntilIdle(Duration),
    /// It was drained before (`/drain`): end at once.
    Done,
}

/// Starts the proxy. Its output goes where the agent's goes, unchanged.
///
/// # Errors
/// [`StartError`] names the binary and the fix.
pub fn start(command: &Command) -> Result<Child, StartError> {
    tokio::process::Command::new(&command.binary)
        .envs(command.environment())
        // Started as itself, this program learns by this name that it is the data plane.
        .arg0("envoy")
        .args(command.arguments())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| StartError {
            binary: command.binary.display().to_string(),
            source,
        })
}

/// Waits until the proxy ends by itself or `shutdown` is cancelled; then drains as `draining` says
/// at that moment and ends it. Returns the exit code for the agent: the proxy's own if it ended by
/// itself (the kubelet then starts the container anew), 0 after a shutdown.
///
/// # Errors
/// The process could not be waited for.
pub async fn supervise(
    mut child: Child,
    admin: &Admin,
    shutdown: CancellationToken,
    draining: impl Fn() -> Draining,
) -> io::Result<u8> {
    tokio::select! {
        status = child.wait() => {
            let code = exit_code(status?);
            tracing::error!("the proxy ended by itself; exiting with its code {code}");
            return Ok(code);
        }
        () = shutdown.cancelled() => {}
    }
    tokio::select! {
        // It may crash while draining: nothing is left to wait for then.
        status = child.wait() => {
            let code = exit_code(status?);
            tracing::error!("the proxy ended while draining; exiting with its code {code}");
            return Ok(code);
        }
        () = drain(admin, draining()) => {}
    }
    end(&mut child).await?;
    Ok(0)
}

async fn drain(admin: &Admin, draining: Draining) {
    if draining == Draining::Done {
        tracing::info!("the proxy was drained before; ending it");
        return;
    }
    if let Err(error) = admin.drain(true).await {
        // A proxy that never came up has nothing to drain.
        tracing::warn!("cannot drain: {error}");
        return;
    }
    match draining {
        Draining::Done => {}
        Draining::For(time) => {
            tracing::info!("draining for {time:?}");
            tokio::time::sleep(time).await;
        }
        Draining::UntilIdle(least) => {
            tracing::info!("draining until no connection is open, at least {least:?}");
            tokio::time::sleep(least).await;
            while open(admin).await > 0 {
                tokio::time::sleep(COUNT).await;
            }
        }
    }
}

async fn open(admin: &Admin) -> u64 {
    match admin.active_connections().await {
        Ok(open) => {
            tracing::info!("{open} connections are open");
            open
        }
        Err(error) => {
            tracing::warn!("cannot count the open connections: {error}; ending the proxy");
            0
        }
    }
}

async fn end(child: &mut Child) -> io::Result<()> {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // An error says that it has ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    match tokio::time::timeout(END, child.wait()).await {
        Ok(status) => {
            tracing::info!("the proxy ended: {}", status?);
            Ok(())
        }
        Err(_) => {
            tracing::warn!("the proxy did not end within {END:?}; killing it");
            child.kill().await
        }
    }
}

/// The exit code as a shell would give it: 128 and the signal's number for a process that a signal
/// ended.
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::bootstrap::Ports;

    /// Stands in for Envoy: a shell script that ignores Envoy's arguments.
    fn script(directory: &Path, body: &str) -> Command {
        let path = directory.join("proxy");
        // Written by another process: a file that this one has open for writing while a test beside
        // it forks cannot be executed.
        let written = std::process::Command::new("sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"",
            ])
            .arg(&path)
            .arg(body)
            .status();
        assert!(written.unwrap().success());
        Command {
            binary: path,
            bootstrap: "b".into(),
            log_level: None,
            component_log_level: None,
            concurrency: 1,
            drain: Duration::ZERO,
            prefer_v6: false,
        }
    }

    /// A port on which nothing listens.
    fn silent() -> Admin {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Admin::new(Ports {
            admin: listener.local_addr().unwrap().port(),
            status: 0,
            readiness: 0,
            prometheus: 0,
        })
    }

    #[tokio::test]
    async fn the_agent_ends_with_the_code_of_a_crashed_proxy() {
        let directory = tempfile::tempdir().unwrap();
        let child = start(&script(directory.path(), "exit 7")).unwrap();
        let code = supervise(child, &silent(), CancellationToken::new(), || {
            Draining::Done
        })
        .await
        .unwrap();
        assert_eq!(code, 7);
    }

    #[tokio::test]
    async fn a_proxy_killed_by_a_signal_gives_the_shells_code() {
        let directory = tempfile::tempdir().unwrap();
        let child = start(&script(directory.path(), "kill -SEGV $$")).unwrap();
        let code = supervise(child, &silent(), CancellationToken::new(), || {
            Draining::Done
        })
        .await
        .unwrap();
        assert_eq!(code, 128 + 11);
    }

    #[tokio::test]
    async fn a_shutdown_ends_the_proxy_and_exits_clean_even_if_it_cannot_be_drained() {
        let directory = tempfile::tempdir().unwrap();
        let child = start(&script(directory.path(), "exec sleep 600")).unwrap();
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let code = supervise(child, &silent(), shutdown, || {
            Draining::For(Duration::from_secs(600))
        })
        .await
        .unwrap();
        assert_eq!(code, 0);
    }

    #[tokio::test]
    async fn a_missing_binary_is_named_with_the_fix() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = script(directory.path(), "");
        command.binary = directory.path().join("absent");
        let message = start(&command).unwrap_err().to_string();
        assert!(
            message.contains("absent") && message.contains("--envoy"),
            "{message}"
        );
    }
}
