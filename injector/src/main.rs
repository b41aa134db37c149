//! `injector`: the admission webhook that adds the proxy to pods.

use std::process::ExitCode;

use clap::Parser;
use injector::webhook::{Injector, Options};

fn main() -> ExitCode {
    process::crypto::install();
    let options = Options::parse();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("injector: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    options.log.init()?;
    let metrics = process::telemetry::router(process::telemetry::install()?);
    let shutdown = process::shutdown::on_signals()?;
    Injector::start(options, metrics, shutdown)
        .await?
        .finished()
        .await;
    Ok(())
}
