//! The `main` of a server: what comes before its real work, and the exit code after it.

use std::error::Error;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::logging::LogArgs;
use crate::{crypto, shutdown, telemetry};

/// Sets up TLS, logging, metrics and signals and runs `serve`, which gets the router of the metrics
/// and the token that the first SIGTERM or SIGINT cancels. A failure is said on standard error
/// after the program's `name`.
pub fn run<F>(
    name: &str,
    log: &LogArgs,
    serve: impl FnOnce(axum::Router, CancellationToken) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    let run = || {
        crypto::install();
        log.init()?;
        let metrics = telemetry::router(telemetry::install()?);
        tokio::runtime::Runtime::new()?
            .block_on(async { serve(metrics, shutdown::on_signals()?).await })
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
