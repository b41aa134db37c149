//! `exec`.

use std::io::Write;

use clap::Args;
use local::api::client::Client;
use local::api::exec::{EXIT, FAILED, RESIZE, STDERR, STDIN, STDOUT, read_frame, write_frame};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};

use super::terminal::{self, Raw};
use crate::failure::Failure;

/// Run a program in a container
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local exec POD -- /greeter-client --help
  lateen local exec POD -c istio-proxy -- pilot-agent request GET stats
  echo hello | lateen local exec -i POD -- cat
  lateen local exec -it POD -- sh")]
pub(super) struct ExecArgs {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
    /// The container, when the pod has several
    #[arg(short, long)]
    container: Option<String>,
    /// Pass standard input on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Standard input is a terminal, and the program gets one
    #[arg(short = 't', long)]
    tty: bool,
    #[command(flatten)]
    scope: super::Scope,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Serialize)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    stdin: bool,
    tty: bool,
    rows: u16,
    columns: u16,
    command: String,
}

pub(super) async fn exec(client: &Client, args: ExecArgs) -> Result<(), Failure> {
    let pod = args
        .pod
        .trim_start_matches("pods/")
        .trim_start_matches("pod/");
    let program = Program {
        namespace: &args.scope.namespace,
        pod,
        container: args.container,
        command: &args.command,
    };
    let terminal = (args.tty && args.stdin).then(Raw::take).flatten();
    if args.tty && args.stdin && terminal.is_none() {
        eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let input = match (&terminal, args.stdin) {
        (Some(_), _) => Input::Terminal,
        (None, true) => Input::Stream,
        (None, false) => Input::None,
    };
    let ran = carry(client, program, input, |channel, payload| match channel {
        Channel::Output => show(&mut std::io::stdout(), payload),
        Channel::Error => show(&mut std::io::stderr(), payload),
    })
    .await;
    // Before anything is said on it.
    drop(terminal);
    match ran? {
        0 => Ok(()),
        code => Err(Failure {
            message: format!("command terminated with exit code {code}"),
            code: u8::try_from(code).unwrap_or(1),
        }),
    }
}

/// What is run, and where.
pub(crate) struct Program<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    /// None where the pod has only one.
    pub(crate) container: Option<String>,
    pub(crate) command: &'a [String],
}

/// Where a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What a program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Nothing.
    None,
    /// This one's standard input.
    Stream,
    /// This one's terminal, key by key.
    Terminal,
}

/// Runs a program in a container, with this one's standard input if it is wanted. Its exit status.
pub(crate) async fn run(
    client: &Client,
    program: Program<'_>,
    stdin: bool,
    written: impl FnMut(Channel, &[u8]) -> std::io::Result<()>,
) -> Result<i32, Failure> {
    let input = if stdin { Input::Stream } else { Input::None };
    carry(client, program, input, written).await
}

async fn carry(
    client: &Client,
    program: Program<'_>,
    input: Input,
    mut written: impl FnMut(Channel, &[u8]) -> std::io::Result<()>,
) -> Result<i32, Failure> {
    let size = terminal::size();
    let asked = Asked {
        container: program.container,
        stdin: input != Input::None,
        tty: input == Input::Terminal,
        rows: size.rows,
        columns: size.columns,
        command: serde_json::to_string(program.command)
            .map_err(|error| Failure::error(error.to_string()))?,
    };
    let connection = client.exec(program.namespace, program.pod, &asked).await?;
    let (mut from, mut to) = tokio::io::split(connection);
    let input = tokio::spawn(async move {
        // A program that ended reads no more; its exit status is what counts.
        let _ = match input {
            Input::None => Ok(()),
            Input::Stream => send_input(&mut to).await,
            Input::Terminal => send_keys(&mut to).await,
        };
        to
    });
    let code = loop {
        let (channel, payload) = read_frame(&mut from)
            .await
            .map_err(|error| Failure::error(format!("the connection broke: {error}")))?;
        match channel {
            STDOUT => written(Channel::Output, &payload)?,
            STDERR => written(Channel::Error, &payload)?,
            EXIT => break i32::from_be_bytes(payload.try_into().unwrap_or([0, 0, 0, 1])),
            FAILED => {
                return Err(Failure::plain(format!(
                    "error: Internal error occurred: {}",
                    String::from_utf8_lossy(&payload)
                )));
            }
            _ => {}
        }
    };
    input.abort();
    Ok(code)
}

async fn send_input(to: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let length = stdin.read(&mut buffer).await?;
        // An empty frame is the end of input.
        write_frame(to, STDIN, buffer.get(..length).unwrap_or_default()).await?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// As [`send_input`], and the terminal's size when it changes.
async fn send_keys(to: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut resized = signal(SignalKind::window_change())?;
    let mut buffer = vec![0; 4 * 1024];
    loop {
        tokio::select! {
            length = stdin.read(&mut buffer) => match length? {
                0 => return Ok(()),
                length => {
                    write_frame(to, STDIN, buffer.get(..length).unwrap_or_default()).await?;
                }
            },
            _ = resized.recv() => {
                let size = terminal::size();
                let bytes = [size.rows.to_be_bytes(), size.columns.to_be_bytes()].concat();
                write_frame(to, RESIZE, &bytes).await?;
            }
        }
    }
}

fn show(to: &mut impl Write, payload: &[u8]) -> std::io::Result<()> {
    to.write_all(payload)?;
    to.flush()
}
