//! `ca`: the certificate authority of a mesh.

use std::process::ExitCode;

use ca::options::Options;
use ca::server::Ca;
use clap::Parser;

fn main() -> ExitCode {
    let options = Options::parse();
    let log = options.log.clone();
    process::program::run("ca", &log, async |metrics, shutdown| {
        let ca = Ca::start(options, metrics, shutdown).await?;
        Ok(ca.finished().await?)
    })
}
