//! `//tools/bench:injector`: how many pods a second the webhook injects on one core, and how long the API server waits
//! for each. The injector is a process of its own, tied to one core; it is asked over HTTPS as the API server asks, and
//! every answer is checked.

mod client;
mod injector;
mod latency;
mod measure;
mod pods;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use measure::{Figures, Load};

/// Measures the injection webhook on one core
///
/// Two measurements: as many pods as it takes, a number of requests always waiting; then pods at a steady rate, with
/// latencies counted from the moment that a request was due. A wrong answer ends the run.
#[derive(Debug, Parser)]
#[command(name = "injector", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// The program `injector`, optimized
    #[arg(long, env = "LATEEN_INJECTOR", value_name = "PATH")]
    injector: PathBuf,
    /// The core that the injector has; the load is made on the others
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Connections, as so many API servers would have them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// Requests that always wait in the first measurement
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    waiting: u16,
    /// Pods a second in the second measurement
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Seconds that each measurement counts, after a second of warming up
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    time: u64,
    /// Where the figures go, as JSON; "-" is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ./tools/bazel run //tools/bench:injector

  # how latency grows with the rate
  ./tools/bazel run //tools/bench:injector -- --rate 2000 --json -

  # without Bazel
  cargo build --release -p injector -p bench-injector
  target/release/bench-injector --injector target/release/injector";

/// What ends the program: what was being done, and what came of it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// A failure of `doing`.
    pub(crate) fn of<E: std::fmt::Display>(
        doing: impl std::fmt::Display,
    ) -> impl FnOnce(E) -> Self {
        move |problem| Failure(format!("{doing}: {problem}"))
    }
}

/// Measures, prints the figures and writes them.
///
/// # Errors
/// The injector did not start, or gave a wrong answer.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    injector::leave_the_core(arguments.core)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::of("a runtime"))?;
    runtime.block_on(measured(arguments))
}

async fn measured(arguments: &Arguments) -> Result<(), Failure> {
    let webhook = injector::Injector::start(&arguments.injector, arguments.core)?;
    let clients = webhook.connect(arguments.connections).await?;
    let time = Duration::from_secs(arguments.time);
    let most = measure::run(&webhook, &clients, Load::Waiting(arguments.waiting), time).await?;
    println!("as many as it takes  {most}");
    let steady = measure::run(&webhook, &clients, Load::Rate(arguments.rate), time).await?;
    println!("{:>7} a second     {steady}", arguments.rate);
    write(arguments, &most, &steady)
}

fn write(arguments: &Arguments, most: &Figures, steady: &Figures) -> Result<(), Failure> {
    let Some(path) = &arguments.json else {
        return Ok(());
    };
    let figures = serde_json::json!({"most": most, "rate": arguments.rate, "steady": steady});
    if path.as_os_str() == "-" {
        println!("{figures:#}");
        return Ok(());
    }
    // `bazel run` starts programs in a folder of its own and says where the user is.
    let path = match std::env::var_os("BUILD_WORKING_DIRECTORY") {
        Some(directory) => PathBuf::from(directory).join(path),
        None => path.clone(),
    };
    std::fs::write(&path, format!("{figures:#}\n")).map_err(Failure::of(path.display()))
}
