//! `exec`: a program in a container, its streams as frames over an upgraded connection.
//!
//! A frame is one byte of channel, four bytes of length (big endian) and the payload. An empty frame on
//! [`STDIN`] is the end of input. The last frame is [`EXIT`] (a 32-bit status) or [`FAILED`] (a text).

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::Failure;
use super::logs::{find, pick};
use super::server::Shared;
use crate::kubelet::runtime::{Execution, Program, Reader, TerminalSize, Writer};

/// Input of the program; client to daemon.
pub const STDIN: u8 = 0;
/// Its output.
pub const STDOUT: u8 = 1;
/// Its errors.
pub const STDERR: u8 = 2;
/// Its exit status.
pub const EXIT: u8 = 3;
/// Why it could not run.
pub const FAILED: u8 = 4;
/// The size of its terminal, lines and characters a line (16 bits each); client to daemon.
pub const RESIZE: u8 = 5;
/// The name of the protocol in `Upgrade`.
pub const PROTOCOL: &str = "lateen-exec";
/// The longest payload that is accepted.
const LONGEST: u32 = 1024 * 1024;

/// Writes one frame.
///
/// # Errors
/// When the connection breaks.
pub async fn write_frame(
    to: &mut (impl AsyncWrite + Unpin),
    channel: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(std::io::Error::other)?;
    to.write_u8(channel).await?;
    to.write_u32(length).await?;
    to.write_all(payload).await?;
    to.flush().await
}

/// Reads one frame.
///
/// # Errors
/// When the connection breaks or the frame is longer than the protocol allows.
pub async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let channel = from.read_u8().await?;
    let length = from.read_u32().await?;
    if length > LONGEST {
        return Err(std::io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut payload = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    from.read_exact(&mut payload).await?;
    Ok((channel, payload))
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    container: Option<String>,
    #[serde(default)]
    stdin: bool,
    #[serde(default)]
    tty: bool,
    #[serde(default)]
    rows: u16,
    #[serde(default)]
    columns: u16,
    /// JSON list of words.
    command: String,
}

pub(super) async fn exec(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    mut request: Request<axum::body::Body>,
) -> Result<Response, Failure> {
    let command: Vec<String> = serde_json::from_str(&asked.command)
        .map_err(|error| Failure::bad_request(format!("command: {error}")))?;
    if command.is_empty() {
        return Err(Failure::bad_request(
            "you must specify at least one command for the container",
        ));
    }
    let (object, pod) = find(&shared, &namespace, &name)?;
    let container = pick(&object, asked.container.as_deref())?;
    let running = pod.container(&container).ok_or_else(|| {
        Failure::bad_request(format!(
            "unable to upgrade connection: container {container:?} of pod {name:?} is not running"
        ))
    })?;
    let execution = running
        .exec(Program {
            args: command,
            stdin: asked.stdin,
            terminal: asked.tty.then_some(TerminalSize {
                rows: asked.rows,
                columns: asked.columns,
            }),
        })
        .await
        .map_err(|error| Failure::internal(error.to_string()))?;
    tokio::spawn(async move {
        match hyper::upgrade::on(&mut request).await {
            Ok(upgraded) => relay(execution, TokioIo::new(upgraded)).await,
            Err(error) => tracing::warn!(%error, "exec: the client did not upgrade"),
        }
    });
    Ok((
        StatusCode::SWITCHING_PROTOCOLS,
        [(header::CONNECTION, "upgrade"), (header::UPGRADE, PROTOCOL)],
    )
        .into_response())
}

/// Carries streams between the program and the client until it ends.
async fn relay(execution: Execution, connection: impl AsyncRead + AsyncWrite + Send + 'static) {
    let (mut from_client, mut to_client) = tokio::io::split(connection);
    let (frames, mut outgoing) = mpsc::channel::<(u8, Bytes)>(16);
    let Execution {
        stdin,
        stdout,
        stderr,
        resize,
        exit,
    } = execution;
    let input = tokio::spawn(async move { feed(&mut from_client, stdin, resize).await });
    let output = tokio::spawn(drain(stdout, STDOUT, frames.clone()));
    let errors = tokio::spawn(drain(stderr, STDERR, frames.clone()));
    tokio::spawn(async move {
        let exit = exit.await;
        // The program's streams end with it, so these do.
        let _ = tokio::join!(output, errors);
        let last = match exit {
            Ok(code) => (EXIT, Bytes::copy_from_slice(&code.to_be_bytes())),
            Err(error) => (FAILED, Bytes::from(error.to_string())),
        };
        let _ = frames.send(last).await;
    });
    while let Some((channel, payload)) = outgoing.recv().await {
        if write_frame(&mut to_client, channel, &payload)
            .await
            .is_err()
        {
            break;
        }
    }
    let _ = to_client.shutdown().await;
    input.abort();
}

async fn feed(
    from: &mut (impl AsyncRead + Unpin),
    mut to: Option<Writer>,
    resize: Option<Box<dyn Fn(TerminalSize) + Send + Sync>>,
) {
    while let Ok((channel, payload)) = read_frame(from).await {
        if let (RESIZE, [r1, r0, c1, c0]) = (channel, payload.as_slice()) {
            if let Some(resize) = &resize {
                resize(TerminalSize {
                    rows: u16::from_be_bytes([*r1, *r0]),
                    columns: u16::from_be_bytes([*c1, *c0]),
                });
            }
        } else if channel != STDIN {
            return;
        } else if payload.is_empty() && resize.is_none() {
            // Closing it is the end of input.
            to = None;
        } else if let Some(writer) = &mut to
            && writer.write_all(&payload).await.is_err()
        {
            to = None;
        }
    }
}

async fn drain(mut from: Reader, channel: u8, to: mpsc::Sender<(u8, Bytes)>) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let piece = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
        if to.send((channel, piece)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_frame_survives_the_wire_and_a_monstrous_one_is_refused() {
        let mut wire = Vec::new();
        write_frame(&mut wire, STDERR, b"oops").await.unwrap();
        assert_eq!(
            read_frame(&mut wire.as_slice()).await.unwrap(),
            (STDERR, b"oops".to_vec())
        );
        let monstrous = [STDIN, 0xff, 0xff, 0xff, 0xff];
        assert!(read_frame(&mut monstrous.as_slice()).await.is_err());
    }
}
