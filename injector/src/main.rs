//! `injector`: the admission webhook that adds the proxy to pods and checks configuration.

use std::process::ExitCode;

use clap::Parser;
use injector::webhook::{Injector, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    let log = options.log.clone();
    process::program::run("injector", &log, async |metrics, shutdown| {
        let injector = Injector::start(options, metrics, shutdown).await?;
        injector.finished().await;
        Ok(())
    })
}
