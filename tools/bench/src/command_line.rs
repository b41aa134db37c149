//! The program's arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::measure::Extent;

/// Measures data planes against each other: CPU per request, latency, throughput and memory
///
/// Every proxy runs as processes of its own with one worker each, configured alike: Envoy and our own plane by the same
/// bootstrap, ADS and SDS as a pod's agent gives them, with Istio's filters and its default access log. All measurements
/// of a round are made one after the other in random order; figures are medians over the rounds. Every answer is
/// checked: one wrong answer ends the run with an error.
#[derive(Clone, Debug, Parser)]
#[command(name = "dataplane", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// Proxies to measure beside our own: envoy, nginx, haproxy
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    pub peers: Option<Vec<String>>,
    /// Scenarios to measure, with all their variants (grpc-mtls-2hops is also grpc-mtls-2hops@1000); all without it
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    pub scenario: Vec<String>,
    /// List the scenarios and end
    #[arg(long)]
    pub list: bool,
    /// Where the figures go, as JSON; "-" is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Measurements of each scenario with each proxy
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Seconds that one measurement counts
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub time: f64,
    /// Seconds of load before it counts
    #[arg(long, default_value_t = 1.5, value_name = "SECONDS")]
    pub warm_up: f64,
    /// One short round: shows that everything works; its figures mean little
    #[arg(long)]
    pub quick: bool,
    /// Our own data plane: the program `proxy`, optimized
    #[arg(long, env = "LATEEN_PROXY", value_name = "PATH")]
    pub proxy: Option<PathBuf>,
    /// Envoy's binary
    #[arg(long, env = "LATEEN_ENVOY", value_name = "PATH")]
    pub envoy: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  # everything, for docs/performance.md: more than an hour, on a machine with nothing else to do
  ./tools/bazel run //tools/bench:dataplane -- --peers envoy,nginx,haproxy --json \"$PWD/figures.json\"

  # one scenario, our own plane and Envoy
  ./tools/bazel run //tools/bench:dataplane -- --scenario grpc-mtls-2hops --json -

  # without Bazel
  cargo build --release -p proxy -p bench
  target/release/bench --proxy target/release/proxy --envoy PATH --quick";

impl Arguments {
    /// Rounds, warm-up and time of one measurement.
    pub(crate) fn extent(&self) -> (u32, Extent) {
        let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
        if self.quick {
            let short = Extent {
                warm_up: Duration::from_millis(300),
                time: Duration::from_secs(1),
            };
            return (1, short);
        }
        let extent = Extent {
            warm_up: seconds(self.warm_up),
            time: seconds(self.time),
        };
        (self.rounds, extent)
    }
}
