//! `lateen proxy-status`: whether proxies have what the control plane sent them, as istioctl shows it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use local::object::age;
use proxyconfig::compare;
use proxyconfig::dump::ConfigDump;
use proxyconfig::sync::{self, Proxy};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cluster::{Cluster, PodName};
use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::pilot::Pilot;
use crate::proxy_config::of_dump;
use crate::proxy_config::source::read;
use crate::{output, pod};

/// Show whether proxies have what the control plane sent them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen proxy-status
  lateen proxy-status -v 1
  lateen proxy-status --namespace NAMESPACE -o json
  lateen proxy-status POD.NAMESPACE

With -v 1 each type of configuration is one of
  SYNCED     the proxy uses what it was sent last
  STALE      the proxy has not answered yet
  ERROR      the proxy refused something, and goes on with what it had; its words follow the table
  NOT SENT   the control plane has nothing of the type for it
  IGNORED    the proxy did not ask for the type")]
pub struct ProxyStatusArgs {
    #[command(flatten)]
    mesh: Mesh,
    /// Compare what the control plane has for a proxy with what the proxy has: POD[.NAMESPACE],
    /// deployment/NAME[.NAMESPACE]
    #[arg(value_name = "POD")]
    pod: Option<String>,
    /// Instead of asking the proxy, a file with what it answered to /config_dump; - is standard input
    #[arg(short, long, value_name = "FILE", requires = "pod")]
    file: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// 1: a column for each type of configuration; in JSON, an entry for each resource
    #[arg(short, long, default_value_t = 0)]
    verbosity: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

/// Runs `proxy-status`.
///
/// # Errors
/// What to print and the exit status.
pub fn run(args: ProxyStatusArgs) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let cluster = args.mesh.cluster();
            let text = match &args.pod {
                Some(meant) => {
                    let pod = pod::find(&cluster, meant, args.mesh.namespace()).await?;
                    difference(&cluster, &args, &pod).await?
                }
                None => all(&cluster, &args).await?,
            };
            output::text(&text)
        })
}

async fn all(cluster: &dyn Cluster, args: &ProxyStatusArgs) -> Result<String, Failure> {
    let mut of_pilots = Vec::new();
    for pilot in Pilot::all(cluster, args.mesh.istio_namespace()).await? {
        let page = pilot.page(cluster, "/debug/syncz").await?;
        let mut proxies = sync::read(&page, &pilot.pod.name)
            .map_err(|error| Failure::error(format!("/debug/syncz of {}: {error}", pilot.pod)))?;
        proxies.retain(|proxy| {
            let only = args.mesh.only();
            only.is_none_or(|namespace| proxy.namespace() == namespace)
        });
        of_pilots.push((pilot, proxies));
    }
    let each = args.verbosity > 0;
    if args.output != Output::Table {
        return machine_readable(&of_pilots, args.output, each);
    }
    let mut proxies: Vec<Proxy> = of_pilots.into_iter().flat_map(|(_, all)| all).collect();
    proxies.sort_by(|a, b| a.name.cmp(&b.name));
    let now = OffsetDateTime::now_utc();
    let mut text = match each {
        true => sync::wide_table(&proxies, |at| age::human((now - at).whole_seconds())),
        false => sync::table(&proxies),
    };
    let refusals = sync::refusals(&proxies);
    if !refusals.is_empty() {
        text.push('\n');
        text.push_str(&refusals);
    }
    Ok(text)
}

fn machine_readable(
    of_pilots: &[(Pilot, Vec<Proxy>)],
    format: Output,
    each: bool,
) -> Result<String, Failure> {
    let mut text = String::new();
    for (pilot, proxies) in of_pilots {
        let identifier = json!({"Component": pilot.component, "ID": pilot.pod.name});
        let response: [Value; 1] = [sync::json(proxies, &identifier, each)];
        let printed = match format {
            Output::Yaml => local::print::yaml(&response, true),
            Output::Table | Output::Json => local::print::json(&response, true),
        };
        text.push_str(&printed.map_err(Failure::error)?);
    }
    Ok(text)
}

/// What the control plane has for a proxy beside what the proxy has.
async fn difference(
    cluster: &dyn Cluster,
    args: &ProxyStatusArgs,
    pod: &PodName,
) -> Result<String, Failure> {
    let theirs = match &args.file {
        Some(file) => read(file)?,
        None => pod::request(cluster, pod, "GET", "config_dump").await?,
    };
    let theirs = ConfigDump::parse(&theirs).map_err(of_dump)?;
    let path = format!("/debug/config_dump?proxyID={pod}");
    let mut last = None;
    for pilot in Pilot::all(cluster, args.mesh.istio_namespace()).await? {
        // A proxy is connected to one of them.
        match pilot.page(cluster, &path).await {
            Ok(ours) => {
                let ours = ConfigDump::parse(&ours).map_err(of_dump)?;
                return compare::report(&ours, &theirs).map_err(of_dump);
            }
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::error(format!("no pilot knows {pod}"))))
}
