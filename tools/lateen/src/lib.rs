//! `lateen`: the command-line tool of the mesh, with istioctl's verbs and `local`.

mod cluster;
pub mod describe;
pub mod failure;
pub mod local;
mod mesh;
pub mod output;
mod pilot;
mod pod;
pub mod proxy_config;
pub mod proxy_status;
pub mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// An Istio-compatible service mesh
#[derive(Debug, Parser)]
#[command(name = "lateen", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a mesh on this machine, without Kubernetes
    Local(local::LocalArgs),
    /// Show what a proxy is configured with
    #[command(visible_alias = "pc")]
    ProxyConfig(proxy_config::ProxyConfigArgs),
    /// Show whether proxies have what the control plane sent them
    #[command(visible_alias = "ps")]
    ProxyStatus(proxy_status::ProxyStatusArgs),
    /// What may still change
    #[command(subcommand, visible_alias = "x", visible_alias = "exp")]
    Experimental(Experimental),
    /// Add the sidecar to every workload of a YAML file
    #[command(
        after_help = "Examples:\n  lateen kube-inject -f deployment.yaml | kubectl apply -f -\n  lateen kube-inject -f deployment.yaml --set values.global.hub=example.com/mesh"
    )]
    KubeInject(injector::command::KubeInjectArgs),
    /// Show the versions of this program, the control plane and the proxies
    Version(version::VersionArgs),
}

#[derive(Debug, Subcommand)]
enum Experimental {
    /// Say which configuration of the mesh is about a pod or a service
    #[command(visible_alias = "des")]
    Describe(describe::DescribeArgs),
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    process::crypto::install();
    // `bazel run` starts programs elsewhere; the user's paths are relative to where the user is.
    if let Some(directory) = std::env::var_os("BUILD_WORKING_DIRECTORY")
        && let Err(error) = std::env::set_current_dir(&directory)
    {
        eprintln!("warning: {}: {error}", directory.to_string_lossy());
    }
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Local(args) => local::run(args),
        Command::ProxyConfig(args) => proxy_config::run(args),
        Command::ProxyStatus(args) => proxy_status::run(args),
        Command::Experimental(Experimental::Describe(args)) => describe::run(args),
        Command::Version(args) => version::run(args),
        Command::KubeInject(args) => {
            injector::command::run(&args, &mut std::io::stdin(), &mut std::io::stdout())
                .map_err(|error| Failure::error(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
