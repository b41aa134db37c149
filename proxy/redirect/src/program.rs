//! The program: read flags, load or print or remove rules, validate.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    thread,
};

use clap::Parser;
use nix::sched::{CloneFlags, setns};

use crate::{Error, Options, environment::Environment, routes, rules, validation};

/// Run `istio-iptables`. The first argument is the name that the program was called by.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let options = match Options::try_parse_from(args) {
        Ok(options) => options,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match options
        .log
        .init()
        .map_err(Error::from)
        .and_then(|()| execute(&options))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "istio-iptables: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Do what the options say.
///
/// # Errors
/// See [`Error`].
pub(crate) fn execute(options: &Options) -> Result<(), Error> {
    match &options.network_namespace {
        None => execute_here(options),
        Some(path) => thread::scope(|scope| {
            // Entering a namespace changes a thread for good, so the thread is one for this alone.
            let work = || enter(path).and_then(|()| execute_here(options));
            let worker = thread::Builder::new()
                .spawn_scoped(scope, work)
                .map_err(Error::Thread)?;
            worker
                .join()
                .unwrap_or_else(|_| Err(Error::Thread(io::Error::other("it panicked"))))
        }),
    }
}

fn enter(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Namespace {
        path: path.to_owned(),
        source,
    };
    let namespace = File::open(path).map_err(failed)?;
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(errno.into()))
}

fn execute_here(options: &Options) -> Result<(), Error> {
    let environment = Environment::read()?;
    warn_of_ignored(options);
    if options.cleanup_only {
        if options.skip_rule_apply {
            return Ok(());
        }
        if options.dry_run {
            return print(&rules::cleanup().to_nft_text());
        }
        rules::cleanup().apply()?;
        routes::remove(options.tproxy_mark, options.tproxy_route_table)?;
        tracing::info!(
            "removed the tables {} and the routes to them",
            rules::TABLES.join(", ")
        );
        return Ok(());
    }
    let settings = options.settings(&environment)?;
    if !options.skip_rule_apply {
        if options.dry_run {
            print(&rules::batch(&settings).to_nft_text())?;
        } else {
            tracing::info!(?settings, "redirecting");
            rules::replacement(&settings).apply()?;
            routes::replace(&settings)?;
        }
    }
    if options.run_validation && !options.dry_run {
        validation::run(
            &settings,
            &environment.addresses,
            options.iptables_probe_port,
            options.probe_timeout,
        )?;
        tracing::info!("the redirect works");
    }
    Ok(())
}

fn warn_of_ignored(options: &Options) {
    if !options.native_nftables || !options.force_iptables_binary.is_empty() {
        tracing::warn!(
            "--native-nftables=false and --force-iptables-binary are ignored: the rules are nftables rules"
        );
    }
    if options.cni_mode || options.reconcile || options.force_apply {
        tracing::debug!("--cni-mode, --reconcile and --force-apply change nothing here");
    }
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::Print)
}
