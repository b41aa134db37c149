//! The program; see the library.

use std::process::ExitCode;

use bench_injector::{Arguments, run};
use clap::Parser;

fn main() -> ExitCode {
    process::crypto::install();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("injector: {failure}");
            ExitCode::FAILURE
        }
    }
}
