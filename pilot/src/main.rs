//! `pilot`: the control plane's process.

use std::process::ExitCode;

use clap::Parser;
use pilot::args::{Cli, Command, DiscoveryArgs};

fn main() -> ExitCode {
    let cli = Cli::parse();
    process::crypto::install();
    if let Err(error) = cli.log.init() {
        eprintln!("pilot: {error}");
        return ExitCode::FAILURE;
    }
    let Command::Discovery(args) = cli.command;
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pilot discovery: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(args: DiscoveryArgs) -> Result<(), Box<dyn std::error::Error>> {
    let handle = process::telemetry::install()?;
    let shutdown = process::shutdown::on_signals()?;
    let metrics = process::telemetry::router(handle);
    pilot::discovery::run(args, Some(metrics), shutdown).await?;
    Ok(())
}
