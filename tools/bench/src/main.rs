//! The program; see the library.

use std::process::ExitCode;

use bench::{Arguments, run};
use clap::Parser;

fn main() -> ExitCode {
    process::crypto::install();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("dataplane: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Configuration is served beside the measurements, which have this thread to themselves.
    let _entered = runtime.enter();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("dataplane: {failure}");
            ExitCode::FAILURE
        }
    }
}
