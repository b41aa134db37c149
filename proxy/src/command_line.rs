//! What can be asked of the program, under each of its names.

use std::ffi::OsString;
use std::path::Path;

use agent::node::Kind;
use agent::request::RequestArgs;
use agent::settings::ProxyArgs;
use agent::wait::WaitArgs;
use clap::{Args, Parser, Subcommand};
use process::logging::LogArgs;

/// Who the program is, by the name it was called by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `istio-iptables`: the redirect rules.
    Redirect,
    /// `pilot-agent`: Istio's commands.
    PilotAgent,
    /// `envoy`: the data plane, with Envoy's arguments.
    DataPlane,
    /// `proxy`, and any other name: the same, without the word `proxy` before the role.
    Proxy,
}

impl Program {
    /// The program that the first argument names.
    pub(crate) fn called(name: Option<&OsString>) -> Self {
        let name = name.and_then(|name| Path::new(name).file_name());
        match name.and_then(|name| name.to_str()) {
            Some("istio-iptables") => Self::Redirect,
            Some("pilot-agent") => Self::PilotAgent,
            Some("envoy") => Self::DataPlane,
            _ => Self::Proxy,
        }
    }
}

/// Runs beside a workload: starts its proxy, gets its certificate, answers for its readiness.
#[derive(Debug, Parser)]
#[command(name = "pilot-agent")]
pub(crate) struct PilotAgent {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands of `pilot-agent`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a proxy and everything around it
    Proxy {
        /// What the proxy is
        #[command(subcommand)]
        role: Role,
    },
    /// Send a request to the proxy's admin interface or to the agent
    Request(RequestArgs),
    /// Wait until the proxy is ready
    Wait(WaitArgs),
    /// Print the version
    Version {
        /// The number alone
        #[arg(long, short)]
        short: bool,
    },
    /// Set the redirect rules of the pod (`istio-iptables --help` lists the flags)
    #[command(disable_help_flag = true)]
    IstioIptables {
        /// As of istio-iptables
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What a proxy is in the mesh.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The proxy of one workload
    Sidecar(Arguments),
    /// A gateway
    Router(Arguments),
}

impl Role {
    /// What the proxy is, and its arguments.
    pub(crate) fn into_parts(self) -> (Kind, Arguments) {
        match self {
            Self::Sidecar(arguments) => (Kind::Sidecar, arguments),
            Self::Router(arguments) => (Kind::Router, arguments),
        }
    }
}

/// The arguments of either.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) args: ProxyArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// The data plane of a pod and the agent around it.
#[derive(Debug, Parser)]
#[command(name = "proxy", version)]
pub(crate) struct Proxy {
    #[command(subcommand)]
    command: ProxyCommand,
}

#[derive(Debug, Subcommand)]
enum ProxyCommand {
    #[command(flatten)]
    Role(Role),
    #[command(flatten)]
    Agent(Command),
}

impl Proxy {
    /// The command in pilot-agent's terms.
    pub(crate) fn into_command(self) -> Command {
        match self.command {
            ProxyCommand::Role(role) => Command::Proxy { role },
            ProxyCommand::Agent(command) => command,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use clap::CommandFactory;

    use super::*;

    /// The arguments of the container that injection adds.
    const INJECTED: [&str; 6] = [
        "sidecar",
        "--domain",
        "default.svc.cluster.local",
        "--proxyLogLevel=warning",
        "--proxyComponentLogLevel=misc:error",
        "--log_output_level=default:info",
    ];

    fn called(name: &str) -> Program {
        Program::called(Some(&OsString::from(name)))
    }

    #[test]
    fn the_name_decides_who_the_program_is() {
        assert_eq!(called("/usr/local/bin/istio-iptables"), Program::Redirect);
        assert_eq!(called("pilot-agent"), Program::PilotAgent);
        assert_eq!(called("./proxy"), Program::Proxy);
        assert_eq!(Program::called(None), Program::Proxy);
    }

    #[test]
    fn the_injected_arguments_are_taken_under_both_names() {
        let agent = ["pilot-agent", "proxy"].iter().chain(&INJECTED);
        let Command::Proxy {
            role: Role::Sidecar(sidecar),
        } = PilotAgent::try_parse_from(agent).unwrap().command
        else {
            panic!("not a sidecar");
        };
        assert_eq!(sidecar.log.log_output_level, "default:info");
        let proxy = ["proxy"].iter().chain(&INJECTED);
        let command = Proxy::try_parse_from(proxy).unwrap().into_command();
        assert!(matches!(command, Command::Proxy { .. }));
    }

    #[test]
    fn the_stop_hook_of_a_native_sidecar_is_taken() {
        let hook = [
            "pilot-agent",
            "request",
            "--debug-port=15020",
            "POST",
            "drain",
        ];
        let Command::Request(request) = PilotAgent::try_parse_from(hook).unwrap().command else {
            panic!("not a request");
        };
        assert_eq!((request.debug_port, &*request.path), (15020, "drain"));
    }

    #[test]
    fn the_init_containers_arguments_reach_the_redirect_rules_untouched() {
        let init = [
            "-p",
            "15001",
            "-i",
            "*",
            "-x",
            "",
            "--log_output_level=default:info",
        ];
        let whole = ["pilot-agent", "istio-iptables"].iter().chain(&init);
        let Command::IstioIptables { arguments } =
            PilotAgent::try_parse_from(whole).unwrap().command
        else {
            panic!("not the redirect rules");
        };
        assert_eq!(arguments, init);
    }

    #[test]
    fn a_gateways_arguments_are_those_of_a_sidecar() {
        let words = ["pilot-agent", "proxy", "router"];
        let router = words.iter().chain(&INJECTED[1..]);
        let Command::Proxy { role } = PilotAgent::try_parse_from(router).unwrap().command else {
            panic!("not a proxy");
        };
        let (kind, arguments) = role.into_parts();
        assert_eq!(kind, Kind::Router);
        assert_eq!(
            arguments.args.domain.as_deref(),
            Some("default.svc.cluster.local")
        );
    }

    #[test]
    fn a_role_that_does_not_exist_is_refused() {
        assert!(PilotAgent::try_parse_from(["pilot-agent", "proxy", "waypoint"]).is_err());
        PilotAgent::command().debug_assert();
        Proxy::command().debug_assert();
    }
}
