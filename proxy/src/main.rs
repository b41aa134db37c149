//! The program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    process::crypto::install();
    proxy::main(std::env::args_os().collect())
}
