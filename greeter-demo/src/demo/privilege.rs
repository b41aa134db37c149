//! Root, which namespaces and redirect rules need.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Whether this process runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Replaces this process by itself under sudo. Returns only when that is not possible.
pub fn again_as_root() -> String {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return format!("cannot find its own program: {error}"),
    };
    eprintln!("demo: pods are Linux namespaces, which need root: asking sudo");
    let error = Command::new("sudo")
        // Where FILE arguments are relative to.
        .arg("--preserve-env=BUILD_WORKING_DIRECTORY")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .exec();
    format!(
        "root is needed (pods are Linux namespaces) and sudo cannot be started: {error}. Run this command as root."
    )
}
