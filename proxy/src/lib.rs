//! One program under several names: `proxy`, `pilot-agent` and `istio-iptables` are what Istio's
//! injected containers call, `envoy` is the data plane under the name that agents start it by. The
//! libraries `agent`, `redirect` and `server` do the work.

mod command_line;

use std::ffi::OsString;
use std::process::ExitCode;

use agent::environment::Environment;
use agent::settings::Settings;
use clap::Parser;

use crate::command_line::{Command, PilotAgent, Program, Proxy, Role};

/// Any failure ends the program with its message; nobody up the stack tells them apart.
type Failure = Box<dyn std::error::Error>;

/// Does what the arguments ask for; the first one is the name that the program was called by.
/// Messages go to standard error. The exit code of `sidecar` and `router` is that of their proxy.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let command = match Program::called(arguments.first()) {
        Program::Redirect => return redirect::run(arguments.into_iter()),
        Program::DataPlane => return data_plane(&server::Arguments::parse_from(arguments)),
        Program::PilotAgent => PilotAgent::parse_from(arguments).command,
        Program::Proxy => Proxy::parse_from(arguments).into_command(),
    };
    match perform(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Proxy { role } => runtime()?.block_on(run_proxy(role)),
        Command::Request(args) => {
            let body = runtime()?.block_on(agent::request::request(&args))?;
            std::io::Write::write_all(&mut std::io::stdout(), &body)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Wait(args) => {
            runtime()?.block_on(agent::wait::wait(&args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Version { short } => {
            let version = env!("CARGO_PKG_VERSION");
            let istio = agent::node::ISTIO_VERSION;
            let text = if short {
                format!("{version}\n")
            } else {
                format!("lateen proxy {version}, speaking to pilots as Istio {istio}\n")
            };
            // Not by a macro that panics when the reader has gone.
            std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::IstioIptables { arguments } => {
            let name = OsString::from("istio-iptables");
            Ok(redirect::run(std::iter::once(name).chain(arguments)))
        }
    }
}

async fn run_proxy(role: Role) -> Result<ExitCode, Failure> {
    let (kind, arguments) = role.into_parts();
    arguments.log.init()?;
    let shutdown = process::shutdown::on_signals()?;
    let metrics = process::telemetry::install()?;
    let pod_info = arguments.args.base.join("etc/istio/pod");
    let settings = Settings::new(kind, &arguments.args, Environment::capture(&pod_info))?;
    let render = move || {
        metrics.run_upkeep();
        metrics.render()
    };
    let code = agent::run::run(settings, render, shutdown).await?;
    Ok(ExitCode::from(code))
}

/// Runs the data plane until it is told to end.
fn data_plane(arguments: &server::Arguments) -> ExitCode {
    let run = || -> Result<(), Failure> {
        process::crypto::install();
        arguments.log().init()?;
        runtime()?.block_on(async {
            let shutdown = process::shutdown::on_signals()?;
            Ok(server::run(arguments, shutdown).await?)
        })
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread is enough for a single pod's agent, and every pod pays for more.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
