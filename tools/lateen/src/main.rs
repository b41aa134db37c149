//! The command-line tool `lateen`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: this program also is the first process of every container that it starts.
    local::run_if_asked();
    lateen::main()
}
