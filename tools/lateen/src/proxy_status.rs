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
                    let theirs = match &args.file {
                        Some(file) => read(file)?,
                        None => pod::request(&cluster, &pod, "GET", "config_dump").await?,
                    };
                    difference(&cluster, args.mesh.istio_namespace(), &pod, &theirs).await?
                }
                None => all(&cluster, &args).await?,
            };
            output::text(&text)
        })
}

/// All pilots' proxies; of one namespace, if it is given.
async fn proxies(
    cluster: &dyn Cluster,
    istio_namespace: &str,
    only: Option<&str>,
) -> Result<Vec<(Pilot, Vec<Proxy>)>, Failure> {
    let mut of_pilots = Vec::new();
    for pilot in Pilot::all(cluster, istio_namespace).await? {
        let mut proxies = pilot.proxies(cluster).await?;
        proxies.retain(|proxy| only.is_none_or(|namespace| proxy.namespace() == namespace));
        of_pilots.push((pilot, proxies));
    }
    Ok(of_pilots)
}

async fn all(cluster: &dyn Cluster, args: &ProxyStatusArgs) -> Result<String, Failure> {
    let mesh = &args.mesh;
    let of_pilots = proxies(cluster, mesh.istio_namespace(), mesh.only()).await?;
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

/// What the control plane has for a proxy beside what the proxy says that it has.
async fn difference(
    cluster: &dyn Cluster,
    istio_namespace: &str,
    pod: &PodName,
    theirs: &str,
) -> Result<String, Failure> {
    let theirs = ConfigDump::parse(theirs).map_err(of_dump)?;
    let path = format!("/debug/config_dump?proxyID={pod}");
    let mut last = None;
    for pilot in Pilot::all(cluster, istio_namespace).await? {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::cluster::fake::FakeCluster;

    const PILOTS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: istiod-1, namespace: istio-system, labels: {app: istiod}}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: istiod-2, namespace: istio-system, labels: {app: istiod}}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: istiod-3, namespace: istio-system, labels: {app: istiod}}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}]}
";

    fn dump(cluster: &str) -> String {
        let kind = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}ConfigDump");
        let clusters = json!([{"cluster": {"name": cluster}}]);
        json!({"configs": [
            {"@type": kind("Clusters"), "dynamic_active_clusters": clusters},
            {"@type": kind("Listeners")}, {"@type": kind("Routes")}]})
        .to_string()
    }

    #[tokio::test]
    async fn every_pilot_that_is_ready_is_asked_for_its_proxies() {
        let mut cluster = FakeCluster::of(PILOTS);
        cluster.says(
            "istiod-1.istio-system",
            "/debug/syncz",
            json!([{"proxy": "a.shop"}]),
        );
        let page = json!([{"proxy": "b.shop"}, {"proxy": "c.bank"}]);
        cluster.says("istiod-2.istio-system", "/debug/syncz", page);
        let names = async |only| {
            let all = proxies(&cluster, "istio-system", only).await.unwrap();
            all.into_iter()
                .flat_map(|(_, proxies)| proxies)
                .map(|proxy| format!("{} of {}", proxy.name, proxy.pilot))
                .collect::<Vec<_>>()
        };
        let expected = [
            "a.shop of istiod-1",
            "b.shop of istiod-2",
            "c.bank of istiod-2",
        ];
        assert_eq!(names(None).await, expected);
        assert_eq!(names(Some("shop")).await, expected[..2]);
        let nowhere = proxies(&cluster, "nowhere", None).await.unwrap_err();
        assert!(
            nowhere.message.contains("no running Istio pods"),
            "{nowhere:?}"
        );
    }

    #[tokio::test]
    async fn a_proxy_is_compared_with_what_the_pilot_has_that_it_is_connected_to() {
        let mut cluster = FakeCluster::of(PILOTS);
        let pod = PodName {
            namespace: "shop".to_owned(),
            name: "a".to_owned(),
        };
        let unknown = difference(&cluster, "istio-system", &pod, &dump("x")).await;
        assert!(unknown.unwrap_err().message.contains("404"));
        let path = "/debug/config_dump?proxyID=a.shop";
        cluster.says("istiod-2.istio-system", path, dump("x"));
        let same = difference(&cluster, "istio-system", &pod, &dump("x")).await;
        let expected = "Clusters Match\nListeners Match\nRoutes Match\n";
        assert_eq!(same.unwrap(), expected);
        let other = difference(&cluster, "istio-system", &pod, &dump("y")).await;
        assert!(other.unwrap().starts_with("Clusters Don't Match\n"));
    }
}
