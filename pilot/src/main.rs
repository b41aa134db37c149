//! `pilot`: the control plane's process.

use std::process::ExitCode;

use clap::Parser;
use pilot::args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Command::Discovery(args) = cli.command;
    process::program::run("pilot discovery", &cli.log, async |metrics, shutdown| {
        Ok(pilot::discovery::run(args, Some(metrics), shutdown).await?)
    })
}
