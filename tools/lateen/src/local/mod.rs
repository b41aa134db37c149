//! `lateen local`: one mesh on this machine, spoken to as with kubectl.

mod apply;
mod delete;
mod describe;
pub(crate) mod exec;
mod get;
mod label;
mod logs;
mod port_forward;
mod rollout;
mod scale;
mod target;
mod terminal;
mod top;
mod up;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use local::api::client::Client;
use local::mesh::DEFAULT_STATE;

use crate::failure::Failure;

/// Run a mesh on this machine, without Kubernetes
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo lateen local up -f manifests/
  lateen local label namespace default istio-injection=enabled
  lateen local apply -f deployment.yaml
  lateen local get pods
  lateen local logs -f POD -c istio-proxy
  lateen local describe pod POD
  lateen local get events
  lateen local port-forward service/web 8080:80
  sudo lateen local down")]
pub struct LocalArgs {
    /// Name of the mesh
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    name: String,
    /// Directory of all local meshes' state
    #[arg(long, global = true, hide = true, env = "LATEEN_STATE_DIR", default_value = DEFAULT_STATE)]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the mesh and apply manifests
    Up(up::UpArgs),
    /// Stop the mesh; nothing of it stays
    Down,
    /// Show objects
    Get(get::GetArgs),
    /// Show objects in detail, with their events
    Describe(describe::DescribeArgs),
    /// Print containers' logs
    Logs(logs::LogsArgs),
    /// Run a program in a container
    Exec(exec::ExecArgs),
    /// Set or remove labels
    Label(label::LabelArgs),
    /// Create or change objects from files
    Apply(apply::ApplyArgs),
    /// Delete objects
    Delete(delete::DeleteArgs),
    /// Restart a Deployment, wait for its rollout, look at its history or go back
    Rollout(rollout::RolloutArgs),
    /// Set the number of pods
    Scale(scale::ScaleArgs),
    /// Reach ports of a pod from this machine
    PortForward(port_forward::PortForwardArgs),
    /// Show what pods use of the machine
    Top(top::TopArgs),
}

/// Which mesh a command speaks to.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) state: PathBuf,
}

impl Place {
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.state, &self.name)
    }

    /// ` --name NAME`, nothing for the default, as commands that are shown to the user need it.
    pub(crate) fn flag(&self) -> String {
        match self.name.as_str() {
            "default" => String::new(),
            name => format!(" --name {name}"),
        }
    }
}

/// Runs a `local` command.
///
/// # Errors
/// What to print and the exit status.
pub fn run(args: LocalArgs) -> Result<(), Failure> {
    let place = Place {
        name: args.name,
        state: args.state,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        match args.command {
            Command::Up(args) => up::up(&place, args).await,
            Command::Down => up::down(&place).await,
            Command::Get(args) => get::get(&place.client(), args).await,
            Command::Describe(args) => describe::describe(&place.client(), args).await,
            Command::Logs(args) => logs::logs(&place.client(), args).await,
            Command::Exec(args) => exec::exec(&place.client(), args).await,
            Command::Label(args) => label::label(&place.client(), args).await,
            Command::Apply(args) => apply::apply(&place.client(), args).await,
            Command::Delete(args) => delete::delete(&place.client(), args).await,
            Command::Rollout(args) => rollout::rollout(&place.client(), args).await,
            Command::Scale(args) => scale::scale(&place.client(), args).await,
            Command::PortForward(args) => port_forward::port_forward(&place.client(), args).await,
            Command::Top(args) => top::top(&place.client(), args).await,
        }
    });
    // A read of standard input may still block a thread.
    runtime.shutdown_background();
    outcome
}

/// Where objects are looked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scope {
    /// Namespace
    #[arg(short = 'n', long, default_value = "default")]
    pub(crate) namespace: String,
}

#[cfg(test)]
mod tests;
