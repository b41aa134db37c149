//! `ca`: the certificate authority of a mesh.

use std::process::ExitCode;

use ca::options::Options;
use ca::server::Ca;
use clap::Parser;

fn main() -> ExitCode {
    process::crypto::install();
    let options = Options::parse();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ca: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    options.log.init()?;
    let metrics = process::telemetry::router(process::telemetry::install()?);
    let shutdown = process::shutdown::on_signals()?;
    Ca::start(options, metrics, shutdown)
        .await?
        .finished()
        .await?;
    Ok(())
}
