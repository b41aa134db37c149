//! The program's arguments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use crate::measure::Extent;

/// Measures data planes against each other: CPU per request, latency, throughput and memory
///
/// Every proxy runs as processes of its own with one worker each, configured alike: Envoy and our own plane by the same
/// bootstrap, ADS and SDS as a pod's agent gives them, with Istio's filters and its default access log; nginx and HAProxy
/// by files, with the same certificates, the same hops and an access log. All measurements of a round are made one after
/// the other in random order; figures are medians over the rounds. Every answer is checked: a wrong one fails its
/// measurement, and the run in the end, but no other measurement.
#[derive(Clone, Debug, Parser)]
#[command(name = "dataplane", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// Proxies to measure beside our own: envoy (the default, where there is one), nginx, haproxy
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    pub peers: Option<Vec<String>>,
    /// Scenarios to measure, with all their variants (grpc-mtls-2hops is also grpc-mtls-2hops@1000); all without it
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    pub scenario: Vec<String>,
    /// List the scenarios and end
    #[arg(long)]
    pub list: bool,
    /// Where the figures go, as JSON: medians over the rounds; "-" is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where every single measurement goes as soon as it is made, as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub samples: Option<PathBuf>,
    /// Write the figures as a page with plots; without FILE to docs/performance.md of this repository
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = PAGE)]
    pub doc: Option<PathBuf>,
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

const PAGE: &str = "docs/performance.md";

/// `bazel run` starts programs in a folder of its own and says where the user is.
pub(crate) fn where_the_user_is(file: &Path) -> PathBuf {
    match std::env::var_os("BUILD_WORKING_DIRECTORY") {
        Some(directory) => PathBuf::from(directory).join(file),
        None => file.to_owned(),
    }
}

const EXAMPLES: &str = "\
Examples:
  # everything, for docs/performance.md: on a machine with nothing else to do; needs the system's packages nginx,
  # libnginx-mod-stream, haproxy and nghttp2-client (whose h2load is a second opinion)
  ./tools/bazel run //tools/bench:dataplane -- --peers envoy,nginx,haproxy --json figures.json --doc

  # the same in less than half an hour, with less certainty
  ./tools/bazel run //tools/bench:dataplane -- --peers envoy,nginx,haproxy --rounds 3 --time 2 --warm-up 0.5 --doc

  # one scenario, our own plane and Envoy
  ./tools/bazel run //tools/bench:dataplane -- --scenario grpc-mtls-2hops --json -

  # without Bazel
  cargo build --release -p proxy -p bench
  target/release/bench --proxy target/release/proxy --envoy PATH --quick";

impl Arguments {
    /// Where the page goes, if it is wanted.
    pub(crate) fn page(&self) -> Option<PathBuf> {
        let asked = self.doc.as_deref()?;
        let repository = std::env::var_os("BUILD_WORKSPACE_DIRECTORY");
        Some(match repository {
            Some(repository) if asked == Path::new(PAGE) => PathBuf::from(repository).join(asked),
            _ => where_the_user_is(asked),
        })
    }

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
