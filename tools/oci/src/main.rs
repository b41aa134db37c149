//! `oci`: one container image as a tar, from files, with no container daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use oci::write::{ImageSpec, image};

/// Write a container image (an OCI layout and docker archive in one tar)
#[derive(Parser)]
#[command(
    after_help = "Example:\n  oci --tag lateen/ca:dev --file /usr/local/bin/ca=./ca --entrypoint /usr/local/bin/ca --out ca.tar"
)]
struct Args {
    /// The image's name and tag
    #[arg(long, value_name = "NAME:TAG")]
    tag: String,
    /// A program: its path in the image and the file it comes from
    #[arg(long = "file", value_name = "PATH=FILE", value_parser = pair)]
    files: Vec<(PathBuf, PathBuf)>,
    /// A symbolic link: its path in the image and its target
    #[arg(long = "link", value_name = "PATH=TARGET", value_parser = pair)]
    links: Vec<(PathBuf, PathBuf)>,
    /// A directory that any user may write
    #[arg(long = "writable", value_name = "PATH")]
    writable: Vec<PathBuf>,
    /// A word of the entrypoint; repeat it for each word
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// A word of the default arguments; repeat it for each word
    #[arg(long = "cmd", value_name = "WORD", allow_hyphen_values = true)]
    command: Vec<String>,
    /// An environment variable
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// The user and group that the program runs as
    #[arg(long, value_name = "UID:GID", default_value = "65532:65532")]
    user: String,
    /// Where the tar goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the image's digest goes
    #[arg(long, value_name = "FILE")]
    digest_out: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let (path, from) = text.split_once('=').ok_or("PATH=... is wanted")?;
    Ok((path.into(), from.into()))
}

fn run(args: Args) -> Result<(), String> {
    let mut files = BTreeMap::new();
    for (path, from) in args.files {
        let content = std::fs::read(&from).map_err(|e| format!("{}: {e}", from.display()))?;
        files.insert(path, content);
    }
    let written = image(&ImageSpec {
        tag: args.tag,
        files,
        links: args.links.into_iter().collect(),
        writable: args.writable,
        entrypoint: args.entrypoint,
        command: args.command,
        environment: args.environment,
        user: args.user,
    })
    .map_err(|e| e.to_string())?;
    std::fs::write(&args.out, &written.archive)
        .map_err(|e| format!("{}: {e}", args.out.display()))?;
    if let Some(path) = args.digest_out {
        std::fs::write(&path, format!("{}\n", written.digest))
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("oci: {message}");
            ExitCode::FAILURE
        }
    }
}
