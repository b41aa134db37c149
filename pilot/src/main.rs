//! `pilot`: the control plane's process.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use pilot::args::{Cli, Command};
use pilot::request::{RequestArgs, request};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Discovery(args) => {
            process::program::run("pilot discovery", &cli.log, async |metrics, shutdown| {
                Ok(pilot::discovery::run(*args, Some(metrics), shutdown).await?)
            })
        }
        Command::Request(args) => match ask(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn ask(args: &RequestArgs) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(request(args))?;
    Ok(std::io::stdout().write_all(&answer)?)
}
