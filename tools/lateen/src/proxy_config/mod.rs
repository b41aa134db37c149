//! `lateen proxy-config`: what a proxy has, as istioctl shows it.

mod all;
mod log;
mod root_certificates;
pub(crate) mod source;

use clap::{Args, Subcommand, ValueEnum};
use proxyconfig::cluster::ClusterFilter;
use proxyconfig::dump::ConfigDump;
use proxyconfig::endpoint::{Clusters, EndpointFilter};
use proxyconfig::listener::ListenerFilter;
use proxyconfig::{Listing, assignment, bootstrap, cluster, ecds, listener, route, secret};
use serde_json::Value;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::output;
use source::Source;

/// Show what a proxy is configured with
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen proxy-config cluster POD.NAMESPACE
  lateen proxy-config listener POD --port 15006
  lateen proxy-config route deployment/NAME --name 9080 -o json
  lateen proxy-config endpoint POD --cluster 'outbound|80||web.default.svc.cluster.local'
  lateen proxy-config secret POD
  lateen proxy-config rootca-compare POD deployment/NAME
  lateen proxy-config log POD --level http:debug,connection:trace")]
pub struct ProxyConfigArgs {
    #[command(flatten)]
    mesh: Mesh,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Clusters: where requests may go
    #[command(visible_aliases = ["clusters", "c"])]
    Cluster {
        #[command(flatten)]
        shown: Shown,
        /// A part of the service's name
        #[arg(long)]
        fqdn: Option<String>,
        /// The service's port
        #[arg(long)]
        port: Option<u16>,
        /// The subset of a DestinationRule
        #[arg(long)]
        subset: Option<String>,
        /// inbound or outbound
        #[arg(long)]
        direction: Option<String>,
    },
    /// Listeners: what is accepted where
    #[command(visible_aliases = ["listeners", "l"])]
    Listener {
        #[command(flatten)]
        shown: Shown,
        /// One of its addresses
        #[arg(long)]
        address: Option<String>,
        /// Its port
        #[arg(long)]
        port: Option<u16>,
        /// HTTP, TCP, HTTP+TCP or UNKNOWN
        #[arg(long = "type")]
        kind: Option<String>,
        /// A line for each filter chain
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
        verbose: bool,
    },
    /// Routes: which requests go to which cluster
    #[command(visible_aliases = ["routes", "r"])]
    Route {
        #[command(flatten)]
        shown: Shown,
        /// The route configuration's name
        #[arg(long)]
        name: Option<String>,
        /// A line for each route
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
        verbose: bool,
    },
    /// Endpoints, and how they are
    #[command(visible_aliases = ["endpoints", "ep"])]
    Endpoint {
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        endpoints: Endpoints,
    },
    /// Certificates and roots; private keys are never shown
    #[command(visible_aliases = ["secrets", "s"])]
    Secret {
        #[command(flatten)]
        shown: Shown,
    },
    /// What the proxy was started with
    #[command(visible_alias = "b")]
    Bootstrap {
        #[command(flatten)]
        shown: Shown,
    },
    /// Extensions that are served apart from listeners
    #[command(visible_alias = "ec")]
    Ecds {
        #[command(flatten)]
        shown: Shown,
    },
    /// Endpoints as the control plane gave them
    #[command(hide = true)]
    Eds {
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        endpoints: Endpoints,
    },
    /// All of it
    #[command(visible_alias = "a")]
    All {
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        what: all::AllArgs,
    },
    /// Whether two pods trust the same roots
    #[command(visible_alias = "rc")]
    RootcaCompare(root_certificates::CompareArgs),
    /// Show or set how much a proxy logs
    #[command(visible_alias = "o")]
    Log(log::LogArgs),
}

/// Which endpoints are shown.
#[derive(Debug, Clone, Args)]
struct Endpoints {
    /// Its address
    #[arg(long)]
    address: Option<String>,
    /// Its port
    #[arg(long)]
    port: Option<u16>,
    /// The whole name of its cluster
    #[arg(long)]
    cluster: Option<String>,
    /// healthy, unhealthy, draining, ...
    #[arg(long)]
    status: Option<String>,
}

impl Endpoints {
    fn filter(self) -> EndpointFilter {
        EndpointFilter {
            address: self.address,
            port: self.port,
            cluster: self.cluster,
            status: self.status,
        }
    }
}

/// Of whom, and how.
#[derive(Debug, Clone, Args)]
struct Shown {
    #[command(flatten)]
    source: Source,
    /// How to print: short, but for `bootstrap`, which prints json
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Shown {
    fn output(&self) -> Output {
        self.output.unwrap_or(Output::Short)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Short,
    Json,
    Yaml,
}

/// Runs a `proxy-config` command.
///
/// # Errors
/// What to print and the exit status.
pub fn run(args: ProxyConfigArgs) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(perform(args))
}

async fn perform(args: ProxyConfigArgs) -> Result<(), Failure> {
    let mesh = args.mesh;
    match args.command {
        Command::Cluster {
            shown,
            fqdn,
            port,
            subset,
            direction,
        } => {
            let dump = dump(&mesh, &shown.source).await?;
            let filter = ClusterFilter {
                fqdn,
                port,
                subset,
                direction,
            };
            let clusters = cluster::select(&dump, &filter).map_err(of_dump)?;
            print(shown.output(), &clusters, |clusters| {
                cluster::table(clusters, Listing::Alone)
            })
        }
        Command::Listener {
            shown,
            address,
            port,
            kind,
            verbose,
        } => {
            let dump = dump(&mesh, &shown.source).await?;
            let filter = ListenerFilter {
                address,
                port,
                kind,
            };
            let listeners = listener::select(&dump, &filter).map_err(of_dump)?;
            let table = match verbose {
                true => listener::table,
                false => listener::short_table,
            };
            print(shown.output(), &listeners, |listeners| {
                table(listeners, Listing::Alone)
            })
        }
        Command::Route {
            shown,
            name,
            verbose,
        } => {
            let dump = dump(&mesh, &shown.source).await?;
            let routes = route::select(&dump, name.as_deref()).map_err(of_dump)?;
            let table = match verbose {
                true => route::table,
                false => route::short_table,
            };
            print(shown.output(), &routes, |routes| {
                table(routes, Listing::Alone)
            })
        }
        Command::Endpoint { shown, endpoints } => {
            let filter = endpoints.filter();
            let text = shown.source.ask(&mesh, "clusters?format=json").await?;
            let clusters = Clusters::parse(&text).map_err(of_dump)?;
            print(shown.output(), &clusters.select(&filter), |_| {
                clusters.table(&filter)
            })
        }
        Command::Eds { shown, endpoints } => {
            let dump = ask(&mesh, &shown.source, WITH_ENDPOINTS).await?;
            print(shown.output(), &dump.assignments(), |_| {
                assignment::table(&dump, &endpoints.filter(), Listing::Alone)
            })
        }
        Command::Secret { shown } => {
            let dump = dump(&mesh, &shown.source).await?;
            let now = OffsetDateTime::now_utc();
            let table = secret::table(&dump, now, Listing::Alone).map_err(of_dump)?;
            let secrets = dump.secrets().map_err(of_dump)?;
            let secrets: Vec<&Value> = secrets.into_iter().map(|(_, secret)| secret).collect();
            print(shown.output(), &secrets, |_| table)
        }
        Command::Bootstrap { shown } => {
            let dump = dump(&mesh, &shown.source).await?;
            match shown.output.unwrap_or(Output::Json) {
                Output::Short => output::text(&bootstrap::summary(&dump).map_err(of_dump)?),
                format => whole(format, dump.bootstrap().map_err(of_dump)?),
            }
        }
        Command::Ecds { shown } => {
            let dump = dump(&mesh, &shown.source).await?;
            print(shown.output(), &ecds::select(&dump), ecds::table)
        }
        Command::All { shown, what } => {
            let dump = ask(&mesh, &shown.source, WITH_ENDPOINTS).await?;
            match shown.output() {
                Output::Short => output::text(&all::tables(&dump, what)?),
                format => whole(format, dump.whole()),
            }
        }
        Command::RootcaCompare(args) => {
            let cluster = mesh.cluster();
            let said = root_certificates::compare(&cluster, mesh.namespace(), &args).await?;
            output::text(&said)
        }
        Command::Log(args) => {
            let levels = log::log(&mesh.cluster(), mesh.namespace(), &args).await?;
            output::text(&levels)
        }
    }
}

/// The dump with endpoints, which are left out unless asked for.
const WITH_ENDPOINTS: &str = "config_dump?include_eds=true";

async fn dump(mesh: &Mesh, source: &Source) -> Result<ConfigDump, Failure> {
    ask(mesh, source, "config_dump").await
}

async fn ask(mesh: &Mesh, source: &Source, path: &str) -> Result<ConfigDump, Failure> {
    ConfigDump::parse(&source.ask(mesh, path).await?).map_err(of_dump)
}

pub(crate) fn of_dump(error: proxyconfig::dump::DumpError) -> Failure {
    Failure::error(error.to_string())
}

fn print(
    format: Output,
    items: &[&Value],
    table: impl FnOnce(&[&Value]) -> String,
) -> Result<(), Failure> {
    match format {
        Output::Short => output::text(&table(items)),
        _ => {
            let items = items.iter().map(|item| (*item).clone()).collect();
            whole(format, &Value::Array(items))
        }
    }
}

/// JSON, unless YAML is asked for: what has no table.
fn whole(format: Output, value: &Value) -> Result<(), Failure> {
    let one = std::slice::from_ref(value);
    let text = match format {
        Output::Yaml => local::print::yaml(one, true),
        Output::Short | Output::Json => local::print::json(one, true),
    };
    output::text(&text.map_err(Failure::error)?)
}
