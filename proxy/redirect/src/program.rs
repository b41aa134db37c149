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

use crate::{
    Backend, Error, Options, Variant, environment::Environment, loading::Loader, routes, rules,
    validation,
};

/// Where the program writes: standard output and standard error, or a caller's buffers.
pub struct Streams<'a> {
    /// Takes the rules of a dry run, and help.
    pub out: &'a mut (dyn Write + Send),
    /// Takes the reason of a failure.
    pub err: &'a mut (dyn Write + Send),
}

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
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let streams = Streams {
        out: &mut out,
        err: &mut err,
    };
    if let Err(error) = options.log.init() {
        return ExitCode::from(report(&error.into(), streams.err));
    }
    ExitCode::from(run_with(&options, streams))
}

/// Do what the options say and answer the exit code; logs go where the caller set them up to go.
pub fn run_with(options: &Options, streams: Streams<'_>) -> u8 {
    match execute(options, streams.out) {
        Ok(()) => 0,
        Err(error) => report(&error, streams.err),
    }
}

fn report(error: &Error, err: &mut dyn Write) -> u8 {
    let _ = writeln!(err, "istio-iptables: {error}");
    error.exit_code()
}

fn execute(options: &Options, out: &mut (dyn Write + Send)) -> Result<(), Error> {
    match &options.network_namespace {
        None => execute_here(options, out),
        Some(path) => thread::scope(|scope| {
            // Entering a namespace changes a thread for good, so the thread is one for this alone.
            let work = || enter(path).and_then(|()| execute_here(options, out));
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

fn execute_here(options: &Options, out: &mut dyn Write) -> Result<(), Error> {
    let environment = Environment::read()?;
    warn_of_ignored(options);
    let loader = Loader {
        backend: options.backend(),
        variant: options.force_iptables_binary,
        mark: options.tproxy_mark,
    };
    if options.cleanup_only {
        if options.skip_rule_apply {
            return Ok(());
        }
        if options.dry_run {
            return print(out, &loader.cleanup_text()?);
        }
        loader.remove()?;
        routes::remove(options.tproxy_mark, options.tproxy_route_table)?;
        match loader.backend {
            Backend::Nftables => tracing::info!(
                "removed the tables {} and the routes to them",
                rules::TABLES.join(", ")
            ),
            Backend::Iptables => {
                tracing::info!("removed the chains ISTIO_* and the routes to them")
            }
        }
        return Ok(());
    }
    let settings = options.settings(&environment)?;
    if !options.skip_rule_apply {
        if options.dry_run {
            print(out, &loader.text(&settings))?;
        } else {
            tracing::info!(?settings, "redirecting");
            loader.replace(&settings)?;
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
    if options.backend() == Backend::Nftables && options.force_iptables_binary != Variant::Default {
        tracing::warn!("--force-iptables-binary is ignored: the rules are nftables rules");
    }
    if options.cni_mode || options.reconcile || options.force_apply {
        tracing::debug!("--cni-mode, --reconcile and --force-apply change nothing here");
    }
}

fn print(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::Print)
}
