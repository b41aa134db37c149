//! `top pod`.

use clap::{Args, Subcommand, ValueEnum};
use local::api::client::{Client, Which};
use local::object::{integer, list, name, namespace, text};
use local::print::table::render;
use serde_json::Value;

use crate::failure::Failure;
use crate::output;

/// Show what pods use of the machine
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local top pod
  lateen local top pod NAME --containers
  lateen local top pods -A --sort-by memory")]
pub(super) struct TopArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Processor time and memory of pods
    #[command(visible_aliases = ["pods", "po"])]
    Pod(PodArgs),
}

#[derive(Debug, Args)]
struct PodArgs {
    /// One pod; all when absent
    #[arg(value_name = "NAME")]
    pod: Option<String>,
    #[command(flatten)]
    scope: super::Scope,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Labels that pods must have
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Each container on a line of its own
    #[arg(long)]
    containers: bool,
    /// The column to sort by, the most first
    #[arg(long, value_enum)]
    sort_by: Option<SortBy>,
    /// Leave the headings out
    #[arg(long)]
    no_headers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SortBy {
    Cpu,
    Memory,
}

pub(super) async fn top(client: &Client, args: TopArgs) -> Result<(), Failure> {
    let Command::Pod(args) = args.command;
    let which = Which {
        namespace: (!args.all_namespaces).then_some(args.scope.namespace.as_str()),
        name: args.pod.as_deref(),
        selector: args.selector.as_deref(),
        ..Which::default()
    };
    let found = client.get("pods", &which).await?;
    let meant: Vec<(String, String)> = match args.pod {
        Some(_) => vec![(namespace(&found).to_owned(), name(&found).to_owned())],
        None => list(&found, "/items")
            .iter()
            .map(|pod| (namespace(pod).to_owned(), name(pod).to_owned()))
            .collect(),
    };
    let usage = client.usage().await?;
    let pods: Vec<&Value> = list(&usage, "/pods")
        .iter()
        .filter(|pod| {
            let key = (
                text(pod, "/namespace").to_owned(),
                text(pod, "/name").to_owned(),
            );
            // A pod that has ended uses nothing.
            meant.contains(&key) && !list(pod, "/containers").is_empty()
        })
        .collect();
    if pods.is_empty() {
        if args.all_namespaces {
            eprintln!("No resources found");
        } else {
            eprintln!("No resources found in {} namespace.", args.scope.namespace);
        }
        return Ok(());
    }
    let rows = rows(&pods, &args);
    let shown = render(rows.get(usize::from(args.no_headers)..).unwrap_or_default());
    output::text(&shown)
}

/// One line of the table.
struct Line {
    cells: Vec<String>,
    nanocores: i64,
    bytes: i64,
}

fn rows(pods: &[&Value], args: &PodArgs) -> Vec<Vec<String>> {
    let mut heading = Vec::new();
    if args.all_namespaces {
        heading.push("NAMESPACE");
    }
    if args.containers {
        heading.push("POD");
    }
    heading.extend(["NAME", "CPU(cores)", "MEMORY(bytes)"]);
    let mut lines: Vec<Line> = pods.iter().flat_map(|pod| lines(pod, args)).collect();
    match args.sort_by {
        Some(SortBy::Cpu) => lines.sort_by_key(|line| std::cmp::Reverse(line.nanocores)),
        Some(SortBy::Memory) => lines.sort_by_key(|line| std::cmp::Reverse(line.bytes)),
        None => {}
    }
    let heading = heading.into_iter().map(str::to_owned).collect();
    std::iter::once(heading)
        .chain(lines.into_iter().map(|line| {
            let mut cells = line.cells;
            // As metrics-server rounds: whole thousandths of a core, up; whole mebibytes.
            cells.push(format!(
                "{}m",
                line.nanocores.saturating_add(999_999) / 1_000_000
            ));
            cells.push(format!("{}Mi", line.bytes >> 20));
            cells
        }))
        .collect()
}

fn lines(pod: &Value, args: &PodArgs) -> Vec<Line> {
    let number = |container: &Value, field: &str| integer(container, field).unwrap_or(0);
    let mut first = Vec::new();
    if args.all_namespaces {
        first.push(text(pod, "/namespace").to_owned());
    }
    first.push(text(pod, "/name").to_owned());
    let containers = list(pod, "/containers");
    if !args.containers {
        return vec![Line {
            cells: first,
            nanocores: containers.iter().map(|c| number(c, "/nanocores")).sum(),
            bytes: containers.iter().map(|c| number(c, "/memoryBytes")).sum(),
        }];
    }
    containers
        .iter()
        .map(|container| {
            let mut cells = first.clone();
            cells.push(text(container, "/name").to_owned());
            Line {
                cells,
                nanocores: number(container, "/nanocores"),
                bytes: number(container, "/memoryBytes"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(all_namespaces: bool, containers: bool, sort_by: Option<SortBy>) -> PodArgs {
        PodArgs {
            pod: None,
            scope: super::super::Scope {
                namespace: "default".into(),
            },
            all_namespaces,
            selector: None,
            containers,
            sort_by,
            no_headers: false,
        }
    }

    #[test]
    fn usage_prints_as_kubectl_top_prints_it() {
        let web = json!({"namespace": "default", "name": "web", "containers": [
            {"name": "app", "nanocores": 1_500_000, "memoryBytes": 10 << 20},
            {"name": "istio-proxy", "nanocores": 0, "memoryBytes": 3 << 20}]});
        let big = json!({"namespace": "default", "name": "big", "containers": [
            {"name": "app", "nanocores": 0, "memoryBytes": 200 << 20}]});
        let pods = [&web, &big];
        assert_eq!(
            render(&rows(&pods, &args(false, false, None))),
            "NAME   CPU(cores)   MEMORY(bytes)\nweb    2m           13Mi\nbig    0m           200Mi\n"
        );
        assert_eq!(
            render(&rows(&pods, &args(false, false, Some(SortBy::Memory)))),
            "NAME   CPU(cores)   MEMORY(bytes)\nbig    0m           200Mi\nweb    2m           13Mi\n"
        );
        assert_eq!(
            render(&rows(&[&web], &args(true, true, Some(SortBy::Cpu)))),
            "NAMESPACE   POD   NAME          CPU(cores)   MEMORY(bytes)\n\
             default     web   app           2m           10Mi\n\
             default     web   istio-proxy   0m           3Mi\n"
        );
    }
}
